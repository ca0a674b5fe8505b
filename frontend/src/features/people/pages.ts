/**
 * A list of any length by pages of a cursor, of which only a few are kept.
 *
 * The API's cursors say where the next page begins, never how many there are. So each page is given
 * its number, and the cursors of all pages that were passed are remembered (a hundred bytes a page):
 * whoever scrolls back, or drags the bar, gets any of them in one request.
 */

export const PAGE = 100;
/** More than two never show at once; the others are for scrolling on without waiting. */
export const KEPT = 6;

/** Where a page begins. */
export interface Place {
  index: number;
  cursor: string | undefined;
}

export const FIRST: Place = { index: 0, cursor: undefined };

/** What has been learned of the list so far. */
export interface Known {
  /** The cursor of each page, by its number. */
  cursors: readonly (string | undefined)[];
  /** How many there are in all, once the end was seen. */
  total: number | undefined;
}

export const NOTHING_KNOWN: Known = { cursors: [undefined], total: undefined };

interface PageOfResults {
  next?: string | null;
  results: readonly unknown[];
}

/** The cursor in the address of a page, if there is such a page. */
export function cursorOf(address: string | null | undefined): string | undefined {
  if (!address) return undefined;
  return new URL(address, "http://localhost").searchParams.get("cursor") ?? undefined;
}

/** Where the page after this one begins. */
export function placeAfter(place: Place, page: PageOfResults): Place | undefined {
  const cursor = cursorOf(page.next);
  return cursor === undefined ? undefined : { index: place.index + 1, cursor };
}

/** Where the page before this one begins. */
export function placeBefore(place: Place, known: Known): Place | undefined {
  return place.index === 0 ? undefined : placeAt(place.index - 1, known);
}

/** Where a page begins whose number is known; the last known one if it isn't. */
export function placeAt(index: number, known: Known): Place {
  const at = Math.max(0, Math.min(index, known.cursors.length - 1));
  return { index: at, cursor: known.cursors[at] };
}

/** What is known once these pages have come; the same object if nothing is new. */
export function learn(
  known: Known,
  places: readonly Place[],
  pages: readonly PageOfResults[],
): Known {
  let { cursors, total } = known;
  pages.forEach((page, number) => {
    const place = places[number];
    if (place === undefined) return;
    const after = placeAfter(place, page);
    if (after === undefined) {
      total = place.index * PAGE + page.results.length;
      if (cursors.length !== place.index + 1) cursors = cursors.slice(0, place.index + 1);
    } else {
      // The list may have grown behind what was its end.
      if (total !== undefined && total <= after.index * PAGE) total = undefined;
      if (cursors[after.index] !== after.cursor) {
        cursors = [
          ...cursors.slice(0, after.index),
          after.cursor,
          ...cursors.slice(after.index + 1),
        ];
      }
    }
  });
  return cursors === known.cursors && total === known.total ? known : { cursors, total };
}

/** How many rows the list is drawn with: those that are there, or may be. */
export function lengthOf(known: Known): number {
  return known.total ?? known.cursors.length * PAGE;
}

export type Step = "next" | "previous" | { jump: Place } | undefined;

/** What has to be asked for so that rows `first` to `last` can be shown, and half a page around. */
export function nextStep(
  kept: { first: number; last: number },
  rows: { first: number; last: number },
  known: Known,
): Step {
  const end = Math.max(0, lengthOf(known) - 1);
  const from = Math.floor(Math.max(0, rows.first - PAGE / 2) / PAGE);
  const to = Math.floor(Math.min(end, rows.last + PAGE / 2) / PAGE);
  if (from > kept.last + 1 || to < kept.first - 1) return { jump: placeAt(from, known) };
  if (from < kept.first) return "previous";
  if (to > kept.last) return "next";
  return undefined;
}
