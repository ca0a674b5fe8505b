import { MutationCache, QueryCache, QueryClient } from "@tanstack/react-query";
import { markSessionEnded } from "../features/session/session";
import { whenSignedOut } from "../shared/api/client";
import { ProblemError } from "../shared/api/problems";

/** Ask again only when nobody answered, or the server was busy: other answers won't change. */
function mayRetry(failures: number, error: unknown): boolean {
  const retries = error instanceof ProblemError && [0, 502, 503, 504].includes(error.status);
  return retries && failures < 2;
}

/** The cache of everything that the API has answered. */
export function makeQueryClient(): QueryClient {
  const queries = new QueryClient({
    queryCache: new QueryCache(),
    mutationCache: new MutationCache(),
    defaultOptions: {
      queries: { retry: mayRetry, staleTime: 5_000, refetchOnWindowFocus: true },
      mutations: { retry: false },
    },
  });
  whenSignedOut(() => markSessionEnded(queries));
  return queries;
}
