/** What the dashboard reckons. */
import type { Schemas } from "../../shared/api/client";

export type GalleryFigures = Schemas["GalleryFigures"];
export type Part = Schemas["Part"];

export const DECISIONS = ["match", "review", "no_match", "poor_quality", "none"] as const;

export interface DayRow {
  day: string;
  searches: number;
  match: number;
  review: number;
  no_match: number;
  poor_quality: number;
  none: number;
}

/** Lookups a day of these galleries together; a role that sees none adds none. */
export function daysOf(galleries: GalleryFigures[]): DayRow[] {
  const rows = new Map<string, DayRow>();
  for (const { lookups } of galleries) {
    for (const { day, searches, decisions } of lookups ?? []) {
      const row = rows.get(day) ?? { day, searches: 0, ...zeros() };
      row.searches += searches;
      for (const name of DECISIONS) row[name] += decisions[name];
      rows.set(day, row);
    }
  }
  return [...rows.values()].sort((one, two) => one.day.localeCompare(two.day));
}

function zeros() {
  return { match: 0, review: 0, no_match: 0, poor_quality: 0, none: 0 };
}

const URGENCY = { failed: 0, warning: 1, ok: 2 } as const;

/** What needs somebody first. */
export function byUrgency(parts: Part[]): Part[] {
  return [...parts].sort((one, two) => URGENCY[one.state] - URGENCY[two.state]);
}
