/** The API as its OpenAPI schema describes it: `schema.d.ts` is generated, this only sets it up. */
import createFetchClient, { type Middleware } from "openapi-fetch";
import createQueryClient from "openapi-react-query";
import { asProblem, ProblemError } from "./problems";
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];

const SAFE_METHODS = new Set(["GET", "HEAD", "OPTIONS"]);

/** Django's CSRF token, from the cookie that `GET /session` sets. */
export function csrfToken(): string {
  return /(?:^|; )csrftoken=([^;]+)/.exec(document.cookie)?.[1] ?? "";
}

let onSignedOut = () => {};

/** Called whenever the API says that the session has ended. */
export function whenSignedOut(callback: () => void): void {
  onSignedOut = callback;
}

/** Tell the session's keeper when `problem` says that nobody is signed in any more. */
export function noteProblem(problem: ProblemError): void {
  if (problem.status === 401) onSignedOut();
}

const problems: Middleware = {
  onRequest({ request }) {
    if (!SAFE_METHODS.has(request.method)) request.headers.set("X-CSRFToken", csrfToken());
    return request;
  },
  async onResponse({ response }) {
    if (response.ok) return undefined;
    const problem = await asProblem(response);
    noteProblem(problem);
    throw problem;
  },
  onError({ error }) {
    return error instanceof ProblemError ? error : ProblemError.unreachable();
  },
};

export const http = createFetchClient<paths>({ baseUrl: "/", credentials: "same-origin" });
http.use(problems);

/** Hooks of TanStack Query, typed by the schema. */
export const api = createQueryClient(http);
