import { expect, it } from "vitest";
import { changed } from "./changed";

it("finds what is another, by content", () => {
  expect(changed({ a: 1, b: "x" }, { a: 1, b: "y" })).toEqual({ b: "y" });
  expect(changed({ m: { k: [1] } }, { m: { k: [1] } })).toEqual({});
  expect(changed({ m: { k: [1] } }, { m: { k: [2] } })).toEqual({ m: { k: [2] } });
});
