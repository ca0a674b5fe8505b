import type { Job } from "./jobs";

/** Where an import's photos are, beside what kind of place that is. */
export function sourceText({ source }: Job): string {
  if (source.kind === "folder") return source.path ?? "";
  if (source.kind === "bucket") return `${source.bucket ?? ""}/${source.prefix ?? ""}`;
  return "";
}
