/**
 * The first line of a table that says who is on which photo: looked at here, so that its columns
 * can be given the names that the server knows.
 *
 * Bytes stay bytes: of the file nothing but the names of chosen columns is written anew, so the
 * encoding of everything else doesn't matter as long as it contains ASCII.
 */

export const FIELDS = ["file", "external_id", "name", "several_faces"] as const;
export type Field = (typeof FIELDS)[number];
/** For each field the place of its column, from 0. */
export type Mapping = Partial<Record<Field, number>>;

export interface Header {
  columns: string[];
  separator: string;
  /** The cells as they are written, and how many bytes the line has with its end. */
  raw: string[];
  length: number;
  /** Bytes before the first cell that mark the encoding. */
  mark: number;
}

const HEAD = 64 << 10;
const SEPARATORS = [",", ";", "\t", "|"];

const NAMES: Record<Field, string[]> = {
  file: [
    "file",
    "filename",
    "file_name",
    "path",
    "photo",
    "image",
    "datei",
    "文件",
    "照片",
    "图片",
  ],
  external_id: ["external_id", "id", "person_id", "employee_id", "number", "编号", "工号", "学号"],
  name: ["name", "person", "full_name", "person_name", "姓名"],
  several_faces: ["several_faces"],
};

/** The header of a text table; null of a workbook, or what can't be read as text of one byte each. */
export async function readHeader(table: Blob): Promise<Header | null> {
  const bytes = new Uint8Array(await table.slice(0, HEAD).arrayBuffer());
  const isWorkbook = bytes[0] === 0x50 && bytes[1] === 0x4b;
  if (isWorkbook || bytes.slice(0, 4).includes(0)) return null; // UTF-16 has zeros
  const mark = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  const text = Array.from(bytes.slice(mark), (byte) => String.fromCharCode(byte)).join("");
  return parseHeader(text, mark);
}

/** The same of a text with a character for each byte. */
export function parseHeader(text: string, mark = 0): Header | null {
  const end = endOfLine(text);
  const line = text.slice(0, end).replace(/\r?\n$|\r$/, "");
  if (line.trim() === "") return null;
  const counted = SEPARATORS.map((each) => ({ each, count: split(line, each).length }));
  const separator = counted.reduce((best, next) => (next.count > best.count ? next : best)).each;
  const raw = split(line, separator);
  return { columns: raw.map(shown), separator, raw, length: end, mark };
}

/** Which columns are what, as far as their names say it. */
export function guess(columns: string[]): Mapping {
  const keys = columns.map((title) => title.trim().toLowerCase().replace(/[ -]/g, "_"));
  const mapping: Mapping = {};
  for (const field of FIELDS) {
    for (const known of NAMES[field]) {
      const place = keys.indexOf(known);
      if (place >= 0 && !Object.values(mapping).includes(place)) {
        mapping[field] = place;
        break;
      }
    }
  }
  return mapping;
}

/** The table with the server's names above the columns that were chosen. */
export function withColumns(table: Blob, header: Header, mapping: Mapping): Blob {
  const cells = header.raw.map((cell, place) => {
    const field = FIELDS.find((each) => mapping[each] === place);
    if (field !== undefined) return field;
    // A column that has one of these names and was not chosen would be taken for it.
    const key = shown(cell).trim().toLowerCase().replace(/[ -]/g, "_");
    const isTaken = (FIELDS as readonly string[]).includes(key);
    return isTaken ? `${key}_2` : cell;
  });
  const line = `${cells.join(header.separator)}\n`;
  const bytes = Uint8Array.from(line, (character) => character.charCodeAt(0));
  return new Blob([table.slice(0, header.mark), bytes, table.slice(header.mark + header.length)]);
}

function endOfLine(text: string): number {
  let isQuoted = false;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '"') isQuoted = !isQuoted;
    if (!isQuoted && text[at] === "\n") return at + 1;
    if (!isQuoted && text[at] === "\r") return text[at + 1] === "\n" ? at + 2 : at + 1;
  }
  return text.length;
}

function split(line: string, separator: string): string[] {
  const cells = [""];
  let isQuoted = false;
  for (const character of line) {
    if (character === '"') isQuoted = !isQuoted;
    if (character === separator && !isQuoted) cells.push("");
    else cells[cells.length - 1] += character;
  }
  return cells;
}

/** A cell without its quotes, its bytes read as UTF-8 if they can be. */
function shown(cell: string): string {
  const trimmed = cell.trim();
  const inner = /^".*"$/s.test(trimmed) ? trimmed.slice(1, -1).replaceAll('""', '"') : trimmed;
  const bytes = Uint8Array.from(inner, (character) => character.charCodeAt(0));
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return inner;
  }
}
