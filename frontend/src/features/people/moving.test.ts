import { describe, expect, it } from "vitest";
import { moved } from "./moving";

const grid = { columns: 4, length: 30, perView: 3 };

describe("a key in the grid", () => {
  it.each([
    ["ArrowRight", 0, 1],
    ["ArrowLeft", 5, 4],
    ["ArrowDown", 1, 5],
    ["ArrowUp", 5, 1],
    ["PageDown", 1, 13],
    ["PageUp", 13, 1],
    ["Home", 17, 0],
    ["End", 3, 29],
  ])("%s leads from %i to %i", (key, from, to) => {
    expect(moved(key, from, grid)).toBe(to);
  });

  it.each([
    ["ArrowLeft", 0, 0],
    ["ArrowUp", 2, 2],
    ["ArrowDown", 29, 29],
    ["ArrowRight", 29, 29],
    ["PageUp", 2, 0],
    ["PageDown", 25, 29],
  ])("%s stays within, at %i", (key, from, to) => {
    expect(moved(key, from, grid)).toBe(to);
  });

  it("means nothing when it is another, or nobody is there", () => {
    expect(moved("a", 0, grid)).toBeUndefined();
    expect(moved("ArrowDown", 0, { ...grid, length: 0 })).toBeUndefined();
  });
});
