/** The filters of the logs, which live in the address. */

export type Filters = Record<string, string | undefined>;

/** Filters without the empty ones, as an address has them. */
export function filled(filters: Filters): Record<string, string> {
  return Object.fromEntries(
    Object.entries(filters).filter((entry): entry is [string, string] => Boolean(entry[1])),
  );
}

/** The beginning of a day such as "2026-11-26", here; undefined if it is none. */
export function dayBegins(day: string | undefined): string | undefined {
  return moment(day, "T00:00:00");
}

/** The beginning of the day after it: the end of what lasts until that day. */
export function dayEnds(day: string | undefined): string | undefined {
  const begins = dayBegins(day);
  if (begins === undefined) return undefined;
  const end = new Date(begins);
  end.setDate(end.getDate() + 1);
  return end.toISOString();
}

function moment(day: string | undefined, time: string): string | undefined {
  if (!day || !/^\d{4}-\d{2}-\d{2}$/.test(day)) return undefined;
  const at = new Date(`${day}${time}`);
  return Number.isNaN(at.getTime()) ? undefined : at.toISOString();
}

/** An address of the API with a query. */
export function addressOf(path: string, query: Record<string, string | undefined>): string {
  const asked = new URLSearchParams(filled(query)).toString();
  return asked ? `${path}?${asked}` : path;
}

/** "person:0192…" as its kind and its id. */
export function parted(named: string): { kind: string; id: string } {
  const [kind = "", ...rest] = named.split(":");
  return { kind, id: rest.join(":") };
}

/** The end of an id: ids of one day begin alike. */
export function shortId(id: string): string {
  return id.length > 12 ? `…${id.slice(-8)}` : id;
}

/** What an entry's details say, each as a text. */
export function said(details: Record<string, unknown>): [string, string][] {
  return Object.entries(details).map(([name, value]) => [
    name.replaceAll("_", " "),
    typeof value === "string" ? value : JSON.stringify(value),
  ]);
}
