/** What was dropped, pasted or chosen: photos to look up, and what is none, in words. */

/** No photo is larger. The server's own limit is less, mostly; it says which. */
export const MOST_BYTES = 50_000_000;

export type Refusal = "too_large" | "empty" | "no_photo" | "folder";

/** Why a file isn't even sent; null if the server is to judge. */
export function refusal(file: { size: number; type: string }): Refusal | null {
  if (file.size === 0) return "empty";
  // No type: the browser doesn't know it, the server may.
  if (file.type !== "" && !file.type.startsWith("image/")) return "no_photo";
  return file.size > MOST_BYTES ? "too_large" : null;
}

export interface Dropped {
  files: File[];
  /** Names of folders, whose photos nobody asked for one by one. */
  folders: string[];
}

/** The files of a drop or of the clipboard. */
export function filesOf(data: DataTransfer): Dropped {
  const dropped: Dropped = { files: [], folders: [] };
  for (const item of data.items) {
    if (item.kind !== "file") continue;
    const entry = item.webkitGetAsEntry();
    const file = item.getAsFile();
    if (entry?.isDirectory) dropped.folders.push(entry.name);
    else if (file !== null) dropped.files.push(file);
  }
  return dropped;
}

/** Whether something dragged over the page has files in it. */
export function hasFiles(data: DataTransfer | null): boolean {
  return data?.types.includes("Files") ?? false;
}
