import type { Schemas } from "../../shared/api/client";

export type Person = Schemas["PersonDetail"];
export type Photo = Schemas["Photo"];
export type Face = Schemas["Face"];
export type Change = Schemas["IdentityChange"];

/** Why the platform holds somebody, if it does: the API's empty word is in no type. */
export function heldBecause(person: {
  held: Schemas["HeldEnum"];
}): Schemas["HeldEnum"] | undefined {
  return person.held || undefined;
}

/** What somebody is called: their name, or the id of the operator's own records, or neither. */
export function calledBy(person: { name?: string; external_id?: string }): string | undefined {
  return person.name || person.external_id || undefined;
}

/** What has to be typed before somebody is erased. */
export function erasureWord(person: { id: string; name?: string; external_id?: string }): string {
  return person.external_id || person.name || person.id;
}

/** Whether what was typed is the word, however it was typed: composed or not, spaces around. */
export function isTyped(typed: string, word: string): boolean {
  return typed.trim().normalize("NFC") === word.trim().normalize("NFC");
}

/** Whether a worker still has something to do with it. */
export function isUnderWay(photo: Pick<Photo, "state">): boolean {
  return photo.state === "received" || photo.state === "processing";
}

/** Whether another choice among its faces would help. */
export function canBeProcessed(photo: Pick<Photo, "state">): boolean {
  return photo.state === "rejected" || photo.state === "quarantined";
}

/** The face of a photo that counts, or would. */
export function mainFace(photo: Pick<Photo, "faces">): Face | undefined {
  return photo.faces.find(({ enrolled }) => enrolled) ?? photo.faces[0];
}

/** A box as forms of the API take it. */
export function boxText({ x, y, width, height }: Face["box"]): string {
  return [x, y, width, height].join(",");
}

/** Who acted: `user:<id>`, `api_key:<prefix>` or `system:<part>`. */
export function actorParts(actor: string): { kind: string; name: string } {
  const at = actor.indexOf(":");
  return at < 0
    ? { kind: "", name: actor }
    : { kind: actor.slice(0, at), name: actor.slice(at + 1) };
}

/** Those who were merged into somebody, by the changes that still stand. */
export function mergedFrom(person: string, changes: readonly Change[]): string[] {
  return changes
    .filter((each) => each.kind === "merge" && each.person === person && !each.undone_at)
    .map(({ other }) => other);
}

/** The colour of a face's frame: green, if it counts. */
export function faceColor(face: Face): string {
  return face.enrolled ? "green" : "orange";
}
