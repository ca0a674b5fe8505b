/** Why there is no picture from a camera. */
export type Trouble = "refused" | "absent" | "busy" | "insecure" | "failed";

export function cameraTrouble(error: unknown): Trouble {
  if (error instanceof TypeError) return "insecure";
  const name = error instanceof Error || error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError" || name === "SecurityError") return "refused";
  if (name === "NotFoundError" || name === "OverconstrainedError") return "absent";
  return name === "NotReadableError" || name === "AbortError" ? "busy" : "failed";
}
