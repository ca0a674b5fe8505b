/** What the settings reckon. */
import { ProblemError } from "../../shared/api/problems";

/** A slug made of a name: what is left of it in ASCII. */
export function slugOf(name: string): string {
  return name
    .normalize("NFKD")
    .replace(/[\u0300-\u036f]/g, "")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 80);
}

/** The end of a day such as "2026-11-26", here; null without a day. */
export function endOfDay(day: string): string | null {
  return day === "" ? null : new Date(`${day}T23:59:59`).toISOString();
}

/** What the server says of a field, for the field itself. */
export function fieldError(error: unknown, field: string): string | undefined {
  return error instanceof ProblemError ? error.fields[field] : undefined;
}

/** Whether everything that the server says is of one of these fields, and shown there. */
export function isOfFields(error: unknown, fields: readonly string[]): boolean {
  if (!(error instanceof ProblemError)) return false;
  const said = Object.keys(error.fields);
  return said.length > 0 && said.every((field) => fields.includes(field));
}

/** A model's figures by kind: TMR by the FMR it was measured at, the rest by name. */
export function measured(figures: Record<string, number>): {
  accuracy: number | undefined;
  error: number | undefined;
  fta: number | undefined;
  tmr: [string, number][];
  others: [string, number][];
} {
  const { accuracy, accuracy_stderr: error, fta, ...rest } = figures;
  const isTmr = ([name]: [string, number]) => name.startsWith("tmr_");
  const entries = Object.entries(rest);
  return {
    accuracy,
    error,
    fta,
    tmr: entries.filter(isTmr).map(([name, value]) => [name.slice("tmr_".length), value]),
    others: entries.filter((entry) => !isTmr(entry)),
  };
}
