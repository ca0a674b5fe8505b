/**
 * Metadata as rows of a form. Texts are shown as they are, anything else as JSON, and each kind stays
 * what it was: 7 doesn't become "7" because somebody opened the form.
 */

export interface Row {
  key: string;
  value: string;
  isJson: boolean;
}

export type Metadata = Record<string, unknown>;

export function rowsOf(metadata: Metadata): Row[] {
  return Object.entries(metadata).map(([key, value]) =>
    typeof value === "string"
      ? { key, value, isJson: false }
      : { key, value: JSON.stringify(value), isJson: true },
  );
}

/** What is wrong with the rows: the index of the first bad one, and why. */
export interface Fault {
  row: number;
  why: "no_key" | "same_key" | "not_json";
}

/** The metadata that the rows say, or what is wrong with them. Empty rows count for nothing. */
export function metadataOf(rows: readonly Row[]): { metadata: Metadata } | { fault: Fault } {
  // Without a prototype: a key such as __proto__ is a key like any other.
  const entries = new Map<string, unknown>();
  for (const [row, { key, value, isJson }] of rows.entries()) {
    const name = key.trim();
    if (name === "" && value.trim() === "") continue;
    if (name === "") return { fault: { row, why: "no_key" } };
    if (entries.has(name)) return { fault: { row, why: "same_key" } };
    try {
      entries.set(name, isJson ? (JSON.parse(value) as unknown) : value);
    } catch {
      return { fault: { row, why: "not_json" } };
    }
  }
  return { metadata: Object.fromEntries(entries) };
}
