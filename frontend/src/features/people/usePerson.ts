import { useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { api, http, type Schemas } from "../../shared/api/client";
import { cursorOf } from "./pages";
import { isUnderWay, type Photo } from "./person";
import { refreshPeople } from "./refresh";

const SOON_MS = 1_000;
const PHOTOS = 48;

/** Somebody; asked for again while the platform looks whether they are enrolled already. */
export function usePerson(id: string) {
  return api.useQuery(
    "get",
    "/api/v1/people/{id}",
    { params: { path: { id } } },
    { refetchInterval: ({ state }) => (state.data?.held === "checking" ? SOON_MS : false) },
  );
}

/** A person's photos, the newest first; asked for again while a worker has any of them. */
export function usePhotos(person: string) {
  const queries = useQueryClient();
  const query = useInfiniteQuery({
    queryKey: ["get", "/api/v1/photos", { person }],
    queryFn: async ({ pageParam, signal }) => {
      const { data } = await http.GET("/api/v1/photos", {
        params: {
          query: {
            person,
            page_size: PHOTOS,
            ...(pageParam === undefined ? {} : { cursor: pageParam }),
          },
        },
        signal,
      });
      return data as Schemas["PaginatedPhotoList"];
    },
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => cursorOf(page.next),
    refetchInterval: ({ state }) =>
      state.data?.pages.some((page) => page.results.some(isUnderWay)) ? SOON_MS : false,
  });
  const photos: Photo[] = query.data?.pages.flatMap((page) => page.results) ?? [];
  const busy = photos.filter(isUnderWay).length;

  // A photo that was finished changed the template, and perhaps whether its person is held.
  const before = useRef(0);
  useEffect(() => {
    if (busy < before.current) void refreshPeople(queries);
    before.current = busy;
  }, [busy, queries]);
  return { query, photos, busy };
}

/** What the template is made of; asked for again until searches see it as it is. */
export function useTemplate(id: string, isFound: boolean) {
  return api.useQuery(
    "get",
    "/api/v1/people/{id}/template",
    { params: { path: { id } } },
    {
      refetchInterval: ({ state }) =>
        isFound && state.data !== undefined && state.data.faces > 0 && !state.data.searchable
          ? SOON_MS
          : false,
    },
  );
}

/** What was found out of them. */
export function useChanges(id: string) {
  return api.useQuery("get", "/api/v1/people/{id}/changes", { params: { path: { id } } });
}
