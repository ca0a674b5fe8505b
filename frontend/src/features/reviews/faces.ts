/** What is known of the faces that are compared. */
import { api } from "../../shared/api/client";
import type { Review } from "./queue";

export type Quality = Record<string, number>;

/** A face's figures and its photo; nothing for none. */
export function useFace(face: string | null) {
  return api.useQuery(
    "get",
    "/api/v1/faces/{id}",
    { params: { path: { id: face ?? "" } } },
    { enabled: face !== null, staleTime: 300_000 },
  );
}

/** The enrolled faces of somebody: a few, to compare with another one. */
export function useFacesOf(person: string | null) {
  const found = api.useQuery(
    "get",
    "/api/v1/faces",
    { params: { query: { person: person ?? "", page_size: 20 } } },
    { enabled: person !== null, staleTime: 60_000 },
  );
  return (found.data?.results ?? []).filter((face) => face.enrolled).slice(0, 6);
}

/** The quality of the face asked about; of a lookup it stands in the search log. */
export function useSubjectQuality(review: Review): Quality {
  const face = useFace(review.face);
  const search = api.useQuery(
    "get",
    "/api/v1/searches/{id}",
    { params: { path: { id: review.search ?? "" } } },
    { enabled: review.kind === "search" && Boolean(review.search), staleTime: 300_000 },
  );
  if (review.kind !== "search") return face.data?.quality ?? {};
  return lookedUp(search.data?.faces, review.face_number ?? 0);
}

/** Of the log's entry, whose faces have no schema, what there is. */
export function lookedUp(faces: unknown, number: number): Quality {
  const face: unknown = Array.isArray(faces) ? faces[number] : undefined;
  if (typeof face !== "object" || face === null) return {};
  const { quality, box } = face as { quality?: unknown; box?: { width?: unknown } };
  return {
    ...(typeof quality === "number" && { score: quality }),
    ...(typeof box?.width === "number" && { face_width: box.width }),
  };
}
