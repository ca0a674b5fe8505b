import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { useCallback, useEffect, useState } from "react";
import { http, type Schemas } from "../../shared/api/client";
import {
  FIRST,
  KEPT,
  type Known,
  learn,
  lengthOf,
  NOTHING_KNOWN,
  nextStep,
  PAGE,
  type Place,
  placeAfter,
  placeBefore,
} from "./pages";

export type PersonInList = Schemas["PicturedPerson"];
export type PersonState = "active" | "inactive" | "held" | Exclude<Schemas["HeldEnum"], "">;

export interface Filters {
  gallery: string;
  search?: string;
  state?: PersonState;
}

interface Memory {
  filters: Filters;
  known: Known;
  start: Place;
}

/** Where the list was left, so that coming back from a person leads there again. */
let left: Memory | undefined;

const same = (one: Filters, other: Filters) =>
  one.gallery === other.gallery && one.search === other.search && one.state === other.state;

/** Whether `useLeftList` would lead back to where somebody was. */
export function wasLeft(filters: Filters): boolean {
  return left !== undefined && same(left.filters, filters);
}

/** A page of people; `signal` ends the request when nobody wants its answer any more. */
async function fetchPage(filters: Filters, place: Place, signal: AbortSignal) {
  const { data } = await http.GET("/api/v1/people", {
    params: {
      query: {
        ...filters,
        page_size: PAGE,
        ...(place.cursor === undefined ? {} : { cursor: place.cursor }),
      },
    },
    signal,
  });
  return data as Schemas["PaginatedPicturedPersonList"];
}

/** People by their place in the list, of which a few pages are kept around those that show. */
export function usePeoplePages(filters: Filters) {
  const [memory, setMemory] = useState<Memory>(() =>
    left !== undefined && same(left.filters, filters)
      ? left
      : { filters, known: NOTHING_KNOWN, start: FIRST },
  );
  let current = memory;
  if (!same(memory.filters, filters)) {
    current = { filters, known: NOTHING_KNOWN, start: FIRST };
    setMemory(current);
  }
  const { known, start } = current;

  const query = useInfiniteQuery({
    queryKey: ["get", "/api/v1/people", { ...filters, from: start.index }],
    queryFn: ({ pageParam, signal }) => fetchPage(filters, pageParam, signal),
    initialPageParam: start,
    getNextPageParam: (page, _pages, place) => placeAfter(place, page),
    getPreviousPageParam: (_page, _pages, place) => placeBefore(place, known),
    maxPages: KEPT,
    placeholderData: keepPreviousData,
    staleTime: 30_000,
    gcTime: 30_000,
  });
  const { data, isFetching, isPlaceholderData, fetchNextPage, fetchPreviousPage } = query;

  useEffect(() => {
    if (data === undefined || isPlaceholderData) return;
    setMemory((before) => {
      const more = learn(before.known, data.pageParams as Place[], data.pages);
      return more === before.known ? before : { ...before, known: more };
    });
  }, [data, isPlaceholderData]);

  useEffect(() => {
    left = memory;
  }, [memory]);

  const first = (data?.pageParams[0] as Place | undefined)?.index ?? 0;
  const loaded = data?.pages.length ?? 0;

  /** Ask for what rows `from` to `to` lack. */
  const want = useCallback(
    (from: number, to: number) => {
      if (isFetching || loaded === 0) return;
      const step = nextStep({ first, last: first + loaded - 1 }, { first: from, last: to }, known);
      if (step === "next") void fetchNextPage();
      else if (step === "previous") void fetchPreviousPage();
      else if (step !== undefined) setMemory((before) => ({ ...before, start: step.jump }));
    },
    [isFetching, loaded, first, known, fetchNextPage, fetchPreviousPage],
  );

  const personAt = useCallback(
    (row: number): PersonInList | undefined =>
      data?.pages[Math.floor(row / PAGE) - first]?.results[row % PAGE],
    [data, first],
  );

  return {
    query,
    known,
    length: lengthOf(known),
    isOld: isPlaceholderData,
    want,
    personAt,
  };
}
