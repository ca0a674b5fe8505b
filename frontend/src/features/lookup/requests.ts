/** What this page asks of the API beside plain queries. */
import { http, type Schemas } from "../../shared/api/client";
import { asForm, fileField } from "../../shared/api/form";
import type { Outcome, Send } from "./lookups";

const form = { bodySerializer: asForm };

export const lookUp: Send = async (file, question, signal) => {
  const { data } = await http.POST("/api/v1/identify", {
    // `all` and `false` are the server's own defaults, which the types want to be said.
    body: { photo: fileField(file), ...question, top_k: 5, faces: "all", any_quality: false },
    ...form,
    signal,
  });
  return data as Schemas["Identification"];
};

/** Put a face before the reviewers; the photo goes with it, unless the face is kept anyway. */
export async function askReviewers(search: string, face: number, photo?: File): Promise<Outcome> {
  const { data } = await http.POST("/api/v1/searches/{id}/faces/{number}/review", {
    params: { path: { id: search, number: face } },
    body: photo === undefined ? {} : { photo: fileField(photo) },
    ...form,
  });
  const { id, state, verdict, person } = data as Schemas["SearchReview"];
  return { review: id, state, verdict, person: person ?? null };
}

/** Say who it is, or that it is none of them. */
export async function decide(review: string, person: string | null): Promise<Outcome> {
  const { data } = await http.POST("/api/v1/reviews/{id}/decide", {
    params: { path: { id: review } },
    body: { verdict: person === null ? "different" : "same", person },
  });
  return outcomeOf(data as Schemas["Review"]);
}

export async function undo(review: string): Promise<Outcome> {
  const { data } = await http.POST("/api/v1/reviews/{id}/undo", {
    params: { path: { id: review } },
    body: { reason: "" },
  });
  return outcomeOf(data as Schemas["Review"]);
}

function outcomeOf(review: Schemas["Review"]): Outcome {
  return {
    review: review.id,
    state: review.state ?? "open",
    verdict: review.verdict ?? "",
    person: review.chosen ?? null,
  };
}

/** Make a person; their id. */
export async function makePerson(body: Schemas["PersonCreateRequest"]): Promise<string> {
  const { data } = await http.POST("/api/v1/people", { body });
  return (data as Schemas["Person"]).id;
}

/** Enrol a face of a photo for somebody. */
export async function sendPhoto(
  person: string,
  photo: File,
  box: Schemas["Box"],
): Promise<Schemas["Photo"]> {
  const { data } = await http.POST("/api/v1/photos", {
    body: {
      person,
      photo: fileField(photo),
      box: [box.x, box.y, box.width, box.height].join(","),
    },
    ...form,
  });
  return data as Schemas["Photo"];
}
