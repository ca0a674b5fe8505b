import type { components } from "./schema";

type Problem = components["schemas"]["Problem"];

/** What the API answers when it can't do what was asked (RFC 9457), or that it didn't answer. */
export class ProblemError extends Error {
  readonly status: number;
  readonly code: string;
  readonly fields: Record<string, string>;

  constructor(status: number, code: string, sentence: string, fields: Record<string, string> = {}) {
    super(sentence);
    this.name = "ProblemError";
    this.status = status;
    this.code = code;
    this.fields = fields;
  }

  /** Nobody answered: no network, or no server. */
  static unreachable(): ProblemError {
    return new ProblemError(0, "unreachable", "");
  }
}

/** The problem in an answer; one made from its status where something else answered. */
export async function asProblem(response: Response): Promise<ProblemError> {
  return problemFrom(response.status, await response.text().catch(() => ""));
}

/** The same from a status and a body. */
export function problemFrom(status: number, body: string): ProblemError {
  try {
    const problem = JSON.parse(body) as Partial<Problem>;
    if (typeof problem.code === "string") {
      return new ProblemError(
        status,
        problem.code,
        problem.detail || problem.title || "",
        fieldsOf(problem.errors),
      );
    }
  } catch {
    // A proxy's page, say: its words are not for people.
  }
  return new ProblemError(status, "no_answer", "");
}

/** Each field's first sentence. */
function fieldsOf(errors: unknown): Record<string, string> {
  if (typeof errors !== "object" || errors === null) return {};
  return Object.fromEntries(
    Object.entries(errors).map(([field, said]) => [
      field,
      String(Array.isArray(said) ? said[0] : said),
    ]),
  );
}
