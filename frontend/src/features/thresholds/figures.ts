/** What the page of thresholds reckons: sliders in steps of a logarithm, changes, charts' rows. */
import type { Schemas } from "../../shared/api/client";

export type Policy = Schemas["Policy"];
export type Outlook = Schemas["Outlook"];
export type Plot = Schemas["Plot"];
/** What is to become another. */
export type Draft = Partial<Omit<Policy, "override_reason">>;

/** Sliders of rates go from one in a million to a half. */
export const SLIDER = { min: -6, max: Math.log10(0.5), step: 0.05 };

/** Where a rate is on its slider. */
export function toSlider(rate: number): number {
  return Math.min(Math.max(Math.log10(rate), SLIDER.min), SLIDER.max);
}

/** The rate at a place on the slider, to two figures: people say 0.003, not 0.0030199. */
export function fromSlider(place: number): number {
  return Math.min(Number((10 ** place).toPrecision(2)), 0.5);
}

/** The draft without what is as it was. */
export function changesOf(policy: Policy, draft: Draft): Draft {
  return Object.fromEntries(
    Object.entries(draft).filter(
      ([name, value]) => value !== (policy as Draft)[name as keyof Draft],
    ),
  );
}

const DECIDING: (keyof Draft)[] = [
  "match_fpir",
  "review_fpir",
  "match_score",
  "review_score",
  "calibration",
];

/** Whether changes move thresholds, so that there is something to preview. */
export function movesThresholds(changes: Draft): boolean {
  return DECIDING.some((name) => name in changes);
}

/** Whether scores set by hand are among the changes: these need a reason. */
export function needsReason(changes: Draft): boolean {
  return (changes.match_score ?? null) !== null || (changes.review_score ?? null) !== null;
}

export interface Bin {
  score: number;
  strangers: number;
  genuine: number;
}

/** The histograms' bins, by their middles. */
export function binsOf(plot: Plot): Bin[] {
  return plot.scores.map((score, index) => ({
    score: rounded(score + plot.width / 2),
    strangers: plot.strangers[index] ?? 0,
    genuine: plot.genuine[index] ?? 0,
  }));
}

/** What is rarer is beyond the chart's lower edge. */
export const LEAST_DRAWN = 1e-8;

export interface Rates {
  score: number;
  fmr: number | null;
  fnmr: number | null;
}

/** FMR and FNMR by threshold; a logarithm has no place for 0. */
export function ratesOf(plot: Plot): Rates[] {
  const drawn = (rate: number | undefined) =>
    rate === undefined || rate < LEAST_DRAWN ? null : rate;
  return plot.scores.map((score, index) => ({
    score: rounded(score),
    fmr: drawn(plot.fmr[index]),
    fnmr: drawn(plot.fnmr[index]),
  }));
}

export interface TradeRow {
  fpir: number;
  now: number | null;
  later: number | null;
}

/** FNIR by FPIR at today's size and at ten times; both are reckoned at the same rates. */
export function tradesOf(plot: Plot): TradeRow[] {
  const [now, later] = plot.trades;
  return (now?.points ?? []).map(({ fpir, fnir }, index) => ({
    fpir,
    now: fnir,
    later: later?.points[index]?.fnir ?? null,
  }));
}

/** About `most` of the rows, evenly: a table to read, not to draw. */
export function thinned<Row>(rows: Row[], most: number): Row[] {
  const step = Math.max(1, Math.ceil(rows.length / most));
  return rows.filter((_, index) => index % step === 0);
}

function rounded(score: number): number {
  return Number(score.toFixed(4));
}
