import { expect, test } from "vitest";
import { byUrgency, daysOf, type GalleryFigures } from "./figures";

function gallery(lookups: GalleryFigures["lookups"]): GalleryFigures {
  return {
    id: "g",
    name: "Main",
    role: "admin",
    model: "m",
    people: 1,
    templates: 1,
    index: {
      state: "ready",
      pending: 0,
      lag_seconds: 0,
      recall: null,
      measured_at: null,
      reconciled_at: null,
      wrong: null,
    },
    open_reviews: 0,
    running_imports: 0,
    lookups,
  };
}

function day(date: string, match: number) {
  const decisions = { match, review: 1, no_match: 0, poor_quality: 0, none: 0 };
  return { day: date, searches: match + 1, faces: match + 1, decisions };
}

test("days of several galleries are added, in order", () => {
  const found = daysOf([
    gallery([day("2026-01-02", 2)]),
    gallery(null),
    gallery([day("2026-01-01", 5), day("2026-01-02", 1)]),
  ]);
  expect(found.map((row) => [row.day, row.searches, row.match, row.review])).toEqual([
    ["2026-01-01", 6, 5, 1],
    ["2026-01-02", 5, 3, 2],
  ]);
  expect(daysOf([gallery(null)])).toEqual([]);
});

test("failures come first", () => {
  const part = (name: string, state: "ok" | "warning" | "failed") => ({
    name,
    state,
    detail: "",
    remedy: "",
  });
  const sorted = byUrgency([part("a", "ok"), part("b", "failed"), part("c", "warning")]);
  expect(sorted.map((each) => each.name)).toEqual(["b", "c", "a"]);
});
