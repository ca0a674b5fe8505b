/** What figures mean, before they are put into words. */
import type { Schemas } from "../../shared/api/client";
import { oneIn, percent } from "../../shared/lib/format";
import type { Candidate, LookedUp } from "./lookups";

type Limits = Schemas["Limits"];

/** Why a face is doubtful. */
export type Doubt = "between" | "margin" | "person";

export function doubt(
  face: { candidates: { score: number }[]; margin: number | null },
  limits: Limits | null,
): Doubt | null {
  const best = face.candidates[0];
  if (best === undefined || limits === null) return null;
  if (best.score < limits.match) return "between";
  return face.margin !== null && face.margin < limits.margin ? "margin" : "person";
}

/** Of each candidate, how many times likelier a stranger the next one is; null of the last. */
export function margins(candidates: Pick<Candidate, "stranger_rate">[]): (number | null)[] {
  return candidates.map(({ stranger_rate: rate }, place) => {
    const next = candidates[place + 1]?.stranger_rate ?? null;
    return rate === null || next === null || rate === 0 ? null : next / rate;
  });
}

/** Faults that the portal has words for, and advice. */
export const KNOWN_FAULTS = [
  "face_too_small",
  "profile",
  "blurred",
  "too_dark",
  "too_bright",
  "low_contrast",
  "poor_quality",
] as const;
export type KnownFault = (typeof KNOWN_FAULTS)[number];

export function isKnown(code: string): code is KnownFault {
  return (KNOWN_FAULTS as readonly string[]).includes(code);
}

/**
 * Why a face is too poor to be looked up: a small one isn't for that alone, and of several faults
 * the poor quality in all says least.
 */
export function poorBecause(face: Pick<LookedUp, "quality_problems">): string[] {
  const codes = face.quality_problems.map(({ code }) => code);
  const plain = codes.filter((code) => code !== "face_too_small" && code !== "poor_quality");
  return plain.length > 0 ? plain : ["poor_quality"];
}

/** "1 of 4,200" for a rare rate, a share for one that isn't. */
export function howOften(rate: number): { key: "one_in" | "share" | "never"; value: string } {
  if (rate < 1e-12) return { key: "never", value: "" };
  if (rate > 0.2) return { key: "share", value: percent(rate, 0) };
  return { key: "one_in", value: oneIn(rate) };
}

/** So many of the candidates reach the score from which on a person looks at them. */
export function reaching(candidates: { score: number }[], limits: Limits | null): number {
  if (limits === null) return candidates.length;
  return candidates.filter(({ score }) => score >= Math.min(limits.review, limits.match)).length;
}

const ORDER = ["match", "review", "no_match", "poor_quality"];

/** Of several faces the first whose decision says most, in the order of somebody's interest. */
export function telling(faces: Pick<LookedUp, "decision">[]): number {
  for (const decision of ORDER) {
    const found = faces.findIndex((face) => face.decision === decision);
    if (found >= 0) return found;
  }
  return 0;
}

/** Problems of a lookup that the portal has words for in both languages. */
const KNOWN_PROBLEMS = [
  "empty_file",
  "unsupported_format",
  "too_large",
  "undecodable",
  "too_many_pixels",
  "bad_dimensions",
  "reason_required",
  "several_models",
  "index_unavailable",
  "index_not_ready",
] as const;
export type KnownProblem = (typeof KNOWN_PROBLEMS)[number];

export function knownProblem(code: string): KnownProblem | undefined {
  return KNOWN_PROBLEMS.find((each) => each === code);
}

const RANKS = ["viewer", "operator", "reviewer", "admin"];

/** Whether `role` in a gallery includes `least`. */
export function isAtLeast(role: string | undefined, least: Schemas["Role"]): boolean {
  return role !== undefined && RANKS.indexOf(role) >= RANKS.indexOf(least);
}

/** A face with a quarter of its size around it, as the server cuts faces out; within the photo. */
export function cropOf(
  box: Schemas["Box"],
  photo: { width: number; height: number },
): Schemas["Box"] {
  const left = Math.max(0, box.x - box.width / 4);
  const top = Math.max(0, box.y - box.height / 4);
  const right = Math.min(photo.width, box.x + box.width * 1.25);
  const bottom = Math.min(photo.height, box.y + box.height * 1.25);
  return { x: left, y: top, width: Math.max(1, right - left), height: Math.max(1, bottom - top) };
}
