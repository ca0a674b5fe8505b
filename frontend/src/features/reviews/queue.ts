/** Which review comes next, and what was said of those before. Pure: the server isn't asked here. */
import type { Schemas } from "../../shared/api/client";
import { ProblemError } from "../../shared/api/problems";

export type Review = Schemas["Review"];
export type Kind = Schemas["ReviewKind"];
export type Verdict = Schemas["VerdictEnum"];

/** What somebody says of a review. */
export interface Saying {
  review: Review;
  verdict: Verdict;
  person: string | null;
  note: string;
}

export interface Queue {
  /** The one looked at. It stays whatever the list does: nobody decides another than they see. */
  held: Review | null;
  skipped: string[];
  /** Said here: the list may still have them for a moment. */
  said: string[];
}

export const EMPTY: Queue = { held: null, skipped: [], said: [] };

/** What of a list is still to be looked at. */
export function waiting(queue: Queue, list: Review[]): Review[] {
  const done = new Set([...queue.skipped, ...queue.said]);
  return list.filter(({ id }) => !done.has(id));
}

/** The review looked at, as the list has it now. */
export function currentOf(queue: Queue, list: Review[]): Review | null {
  const { held } = queue;
  if (held !== null) return list.find(({ id }) => id === held.id) ?? held;
  return waiting(queue, list)[0] ?? null;
}

/** Those after the one looked at. */
export function nextOf(queue: Queue, list: Review[]): Review[] {
  const current = currentOf(queue, list);
  const left = waiting(queue, list);
  const place = left.findIndex(({ id }) => id === current?.id);
  return [...left.slice(place + 1), ...left.slice(0, Math.max(place, 0))];
}

/** Go on: the one looked at was decided here, or is skipped. */
export function passed(queue: Queue, list: Review[], id: string, how: "said" | "skipped"): Queue {
  const held = nextOf(queue, list).find((each) => each.id !== id) ?? null;
  return { ...queue, held, [how]: [...queue[how], id] };
}

/** It comes back and is looked at: it was undone, or what was said wasn't taken. */
export function returned(queue: Queue, review: Review): Queue {
  const without = (ids: string[]) => ids.filter((id) => id !== review.id);
  return { held: review, skipped: without(queue.skipped), said: without(queue.said) };
}

/** What to do about a decision that wasn't taken. */
export type Failure = "keep" | "next" | "again";

/**
 * Nobody was there to take it, or the session had ended: it is kept, to be sent again. The review
 * is settled by others: on to the next. Anything else is put before the reviewer again.
 */
export function failureOf(error: unknown): Failure {
  if (!(error instanceof ProblemError)) return "keep";
  const { status, code } = error;
  if ([0, 401, 408, 429].includes(status) || status >= 500) return "keep";
  const settled = ["review_state", "opinion_given", "review_assigned"];
  return status === 404 || (status === 409 && settled.includes(code)) ? "next" : "again";
}
