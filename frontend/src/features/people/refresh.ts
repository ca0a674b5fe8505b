import type { QueryClient } from "@tanstack/react-query";

/** Ask again for everything that tells of people or their photos, where it is shown. */
export async function refreshPeople(queries: QueryClient): Promise<void> {
  await queries.invalidateQueries({
    predicate: ({ queryKey: [, path] }) =>
      typeof path === "string" && /^\/api\/v1\/(people|photos|audit)/.test(path),
  });
}
