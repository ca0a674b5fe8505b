/** The pictures of a review, and those of what comes next, which are fetched ahead. */
import type { Review } from "./queue";

export const faceImage = (face: string) => `/api/v1/faces/${face}/image`;
export const photoImage = (photo: string) => `/api/v1/photos/${photo}/image`;

/** The face asked about; null where there is none. */
export function subjectImage(review: Review): string | null {
  if (review.kind === "search") return `/api/v1/reviews/${review.id}/probe`;
  if (review.face) return faceImage(review.face);
  return review.photo ? photoImage(review.photo) : null;
}

/** All pictures that a review begins with. */
export function imagesOf(review: Review): string[] {
  const faces = review.candidates.flatMap(({ face }) => (face ? [faceImage(face)] : []));
  const subject = subjectImage(review);
  return subject === null ? faces : [subject, ...faces];
}

/** The last ones fetched ahead: as long as they are referred to, the browser keeps them decoded. */
const kept = new Map<string, HTMLImageElement>();
const MOST_KEPT = 24;

/** Fetch pictures ahead, so that they are there at once. */
export function fetchAhead(sources: string[]): void {
  for (const source of sources) {
    if (kept.has(source)) continue;
    const image = new Image();
    image.src = source;
    kept.set(source, image);
  }
  for (const oldest of [...kept.keys()].slice(0, Math.max(0, kept.size - MOST_KEPT))) {
    kept.delete(oldest);
  }
}
