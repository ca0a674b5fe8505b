/** What a file says of itself in its first bytes: told before gigabytes of it are sent. */

export type ArchiveFault = "empty" | "not_archive" | "photo" | "unreadable";

const MAGIC: [number, readonly number[]][] = [
  [0, [0x50, 0x4b]], // ZIP
  [0, [0x1f, 0x8b]], // gzip
  [0, [0x42, 0x5a, 0x68]], // bzip2
  [0, [0xfd, 0x37, 0x7a, 0x58, 0x5a]], // xz
  [0, [0x28, 0xb5, 0x2f, 0xfd]], // Zstandard
  [257, [0x75, 0x73, 0x74, 0x61, 0x72]], // a plain TAR: "ustar"
];
const PHOTOS: [number, readonly number[]][] = [
  [0, [0xff, 0xd8, 0xff]],
  [0, [0x89, 0x50, 0x4e, 0x47]],
  [0, [0x47, 0x49, 0x46, 0x38]],
  [8, [0x57, 0x45, 0x42, 0x50]],
  [4, [0x66, 0x74, 0x79, 0x70]],
];
const HEAD = 512;

/** Why a file is no archive that the server could open, by its beginning; null if it may be one. */
export async function archiveFault(file: Blob): Promise<ArchiveFault | null> {
  if (file.size === 0) return "empty";
  let head: Uint8Array;
  try {
    head = new Uint8Array(await file.slice(0, HEAD).arrayBuffer());
  } catch {
    return "unreadable"; // a folder, or a file that was moved
  }
  if (begins(head, MAGIC)) return null;
  return begins(head, PHOTOS) ? "photo" : "not_archive";
}

function begins(head: Uint8Array, marks: typeof MAGIC): boolean {
  return marks.some(([at, mark]) => mark.every((byte, index) => head[at + index] === byte));
}
