/** Where the next page of a list begins, as the API's address of it says; undefined after the last. */
export function nextCursor(page: { next?: string | null }): string | undefined {
  if (!page.next) return undefined;
  return new URL(page.next, "http://localhost").searchParams.get("cursor") ?? undefined;
}

/** For `useInfiniteQuery` of lists by cursor. An empty cursor is the first page. */
export const BY_CURSOR = { initialPageParam: "", getNextPageParam: nextCursor } as const;
