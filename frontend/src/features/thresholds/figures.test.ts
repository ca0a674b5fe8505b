import { expect, test } from "vitest";
import {
  binsOf,
  changesOf,
  fromSlider,
  movesThresholds,
  needsReason,
  type Plot,
  ratesOf,
  SLIDER,
  thinned,
  toSlider,
  tradesOf,
} from "./figures";

test("a slider's place and its rate belong together", () => {
  for (const rate of [0.5, 0.05, 0.003, 0.0001, 0.000001]) {
    expect(fromSlider(toSlider(rate))).toBe(rate);
  }
  expect(toSlider(1e-9)).toBe(SLIDER.min);
  expect(fromSlider(SLIDER.max)).toBe(0.5);
});

test("what is as it was is no change", () => {
  const policy = { match_fpir: 0.003, match_score: null, reviewers: 1 };
  expect(changesOf(policy, { match_fpir: 0.003, match_score: null })).toEqual({});
  expect(changesOf(policy, { match_fpir: 0.001, reviewers: 1 })).toEqual({ match_fpir: 0.001 });
});

test("some changes move thresholds, some need a reason", () => {
  expect(movesThresholds({ reviewers: 2 })).toBe(false);
  expect(movesThresholds({ calibration: null })).toBe(true);
  expect(needsReason({ match_score: 0.5, review_score: 0.4 })).toBe(true);
  expect(needsReason({ match_score: null, review_score: null })).toBe(false);
});

const PLOT: Plot = {
  calibration: "c",
  width: 0.02,
  scores: [0.1, 0.12],
  strangers: [0.9, 0.1],
  genuine: [0, 1],
  fmr: [1, 0],
  fnmr: [0, 0.5],
  trades: [
    { searched: 10, points: [{ score: 0.1, fpir: 1, fnir: 0 }] },
    { searched: 100, points: [{ score: 0.2, fpir: 1, fnir: 0.1 }] },
  ],
};

test("charts' rows", () => {
  expect(binsOf(PLOT)[0]).toEqual({ score: 0.11, strangers: 0.9, genuine: 0 });
  expect(ratesOf(PLOT)[1]).toEqual({ score: 0.12, fmr: null, fnmr: 0.5 });
  expect(tradesOf(PLOT)).toEqual([{ fpir: 1, now: 0, later: 0.1 }]);
  expect(tradesOf({ ...PLOT, trades: [] })).toEqual([]);
});

test("a table has some of the rows", () => {
  expect(thinned([1, 2, 3, 4, 5], 3)).toEqual([1, 3, 5]);
  expect(thinned([1, 2], 3)).toEqual([1, 2]);
});
