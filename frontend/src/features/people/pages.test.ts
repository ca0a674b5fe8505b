import { describe, expect, it } from "vitest";
import {
  cursorOf,
  FIRST,
  KEPT,
  type Known,
  learn,
  lengthOf,
  NOTHING_KNOWN,
  nextStep,
  PAGE,
  placeAfter,
  placeAt,
  placeBefore,
} from "./pages";

const page = (cursor: string | null, length = PAGE) => ({
  next: cursor === null ? null : `http://host/api/v1/people?cursor=${cursor}&page_size=100`,
  results: Array.from({ length }, (_, number) => number),
});

const known = (pages: number, total?: number): Known => ({
  cursors: Array.from({ length: pages }, (_, index) => (index === 0 ? undefined : `c${index}`)),
  total,
});

describe("cursors", () => {
  it("are read from addresses", () => {
    expect(cursorOf("http://host/api/v1/people?cursor=cD0x&page_size=2")).toBe("cD0x");
    expect(cursorOf("/api/v1/people?cursor=cD0x%3D")).toBe("cD0x=");
    expect(cursorOf(null)).toBeUndefined();
    expect(cursorOf(undefined)).toBeUndefined();
  });

  it("lead from page to page, and back", () => {
    const second = placeAfter(FIRST, page("c1"));
    expect(second).toEqual({ index: 1, cursor: "c1" });
    expect(placeAfter(FIRST, page(null))).toBeUndefined();
    expect(placeBefore({ index: 2, cursor: "c2" }, known(3))).toEqual({ index: 1, cursor: "c1" });
    expect(placeBefore(FIRST, known(3))).toBeUndefined();
    expect(placeAt(9, known(3))).toEqual({ index: 2, cursor: "c2" });
  });
});

describe("learning", () => {
  it("adds the page that follows, and the end", () => {
    const more = learn(NOTHING_KNOWN, [FIRST], [page("c1")]);
    expect(more.cursors).toEqual([undefined, "c1"]);
    expect(lengthOf(more)).toBe(2 * PAGE);
    const all = learn(more, [{ index: 1, cursor: "c1" }], [page(null, 7)]);
    expect(lengthOf(all)).toBe(PAGE + 7);
  });

  it("keeps the same object when nothing is new", () => {
    const before = known(3);
    expect(learn(before, [FIRST], [page("c1")])).toBe(before);
  });

  it("forgets pages behind an end that moved up, and an end that moved down", () => {
    const shorter = learn(known(3, 2 * PAGE + 9), [{ index: 1, cursor: "c1" }], [page(null, 50)]);
    expect(shorter.cursors).toHaveLength(2);
    expect(lengthOf(shorter)).toBe(PAGE + 50);
    const longer = learn(known(1, 40), [FIRST], [page("c1")]);
    expect(longer.total).toBeUndefined();
    expect(lengthOf(longer)).toBe(2 * PAGE);
  });
});

describe("the next step", () => {
  const rows = (first: number) => ({ first, last: first + 40 });

  it("is none while what shows is there", () => {
    expect(nextStep({ first: 0, last: 1 }, rows(0), known(3))).toBeUndefined();
  });

  it("is the next page before its rows come into view", () => {
    expect(nextStep({ first: 0, last: 0 }, rows(20), known(2))).toBe("next");
    expect(nextStep({ first: 0, last: 0 }, rows(20), known(1, 90))).toBeUndefined();
  });

  it("is the page before, when scrolling back", () => {
    expect(nextStep({ first: 4, last: 9 }, rows(430), known(12))).toBe("previous");
    expect(nextStep({ first: 4, last: 9 }, rows(460), known(12))).toBeUndefined();
  });

  it("is a jump, when the bar was dragged far away", () => {
    expect(nextStep({ first: 20, last: 25 }, rows(510), known(30))).toEqual({
      jump: { index: 4, cursor: "c4" },
    });
    expect(nextStep({ first: 0, last: 5 }, rows(2500), known(30))).toEqual({
      jump: { index: 24, cursor: "c24" },
    });
  });

  it("never asks for more pages at once than are kept", () => {
    expect(KEPT).toBeGreaterThanOrEqual(4);
  });
});
