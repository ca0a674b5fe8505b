/** The queue as one works it: what is looked at, what was said, and what could not be sent. */
import { notifications } from "@mantine/notifications";
import { useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useRef, useState } from "react";
import { api, http } from "../../shared/api/client";
import { ProblemError } from "../../shared/api/problems";
import { useSentence } from "../../shared/ui/states";
import { useHere } from "../session/session";
import { useName } from "./Beside";
import { fetchAhead, imagesOf } from "./pictures";
import {
  currentOf,
  EMPTY,
  failureOf,
  nextOf,
  passed,
  type Queue,
  type Review,
  returned,
  type Saying,
  waiting,
} from "./queue";
import { useTexts } from "./texts";

const AHEAD = 3;
const PAGE = 50;

export interface Filters {
  kind?: Review["kind"] | undefined;
  who?: "mine" | "nobody" | undefined;
}

export function useQueue({ kind, who }: Filters) {
  const { gallery } = useHere();
  const list = api.useQuery(
    "get",
    "/api/v1/reviews",
    {
      params: {
        query: {
          gallery: gallery.id,
          state: "open",
          turn: true,
          page_size: PAGE,
          ...(kind && { kind }),
          ...(who === "mine" && { mine: true }),
          ...(who === "nobody" && { unassigned: true }),
        },
      },
    },
    { refetchInterval: 15_000 },
  );
  const results = list.data?.results ?? NONE;
  const [queue, setQueue] = useState<Queue>(EMPTY);
  const current = currentOf(queue, results);
  const next = nextOf(queue, results).slice(0, AHEAD);

  // What is looked at stays, whatever the list does.
  useEffect(() => {
    if (current !== null && queue.held?.id !== current.id) {
      setQueue((before) => ({ ...before, held: current }));
    }
  }, [current, queue.held]);

  const ahead = next.flatMap(imagesOf).join(" ");
  useEffect(() => fetchAhead(ahead.split(" ").filter((source) => source !== "")), [ahead]);

  const pass = (id: string, how: "said" | "skipped") =>
    setQueue((before) => passed(before, results, id, how));
  const show = useCallback((review: Review) => setQueue((before) => returned(before, review)), []);
  const sending = useSending(show);

  return {
    list,
    current,
    next,
    skipped: queue.skipped.length,
    left: waiting(queue, results).length,
    show,
    showSkipped: () => setQueue((before) => ({ ...before, held: null, skipped: [] })),
    skip: () => current && pass(current.id, "skipped"),
    decide: (saying: Saying) => {
      pass(saying.review.id, "said");
      sending.send(saying);
    },
    ...sending,
  };
}

const NONE: Review[] = [];

/** Sends decisions while the next review is looked at already. */
function useSending(show: (review: Review) => void) {
  const queries = useQueryClient();
  const { t } = useTexts();
  const sentence = useSentence();
  const name = useName();
  const [unsent, setUnsent] = useState<Saying[]>([]);
  const [announced, announce] = useState("");
  const done = useRef<Review[]>([]);
  // One after the other, so that undoing follows what it undoes.
  const last = useRef<Promise<void>>(Promise.resolve());

  const refresh = () =>
    queries.invalidateQueries({
      predicate: ({ queryKey }) => String(queryKey[1]).startsWith("/api/v1/reviews"),
    });

  const fail = (saying: Saying, error: unknown) => {
    const then = failureOf(error);
    if (then === "keep") {
      setUnsent((before) => [...before, saying]);
      return;
    }
    if (then === "again") show(saying.review);
    notifications.show({ color: "orange", message: told(error) });
  };
  const told = (error: unknown) => {
    if (!(error instanceof ProblemError)) return sentence(error);
    if (error.status === 404) return t("conflict.gone");
    const { code } = error;
    const isKnown =
      code === "review_state" || code === "opinion_given" || code === "review_assigned";
    return isKnown ? t(`conflict.${code}`) : sentence(error);
  };

  const post = async (saying: Saying) => {
    const { review, verdict, person, note } = saying;
    try {
      const { data } = await http.POST("/api/v1/reviews/{id}/decide", {
        params: { path: { id: review.id } },
        body: { verdict, ...(person !== null && { person }), ...(note && { note }) },
      });
      if (data) done.current.push(data);
      const chosen = review.candidates.find((each) => each.person.id === person)?.person ?? null;
      announce(
        data?.state === "open"
          ? t("sent.given")
          : verdict === "same"
            ? t("sent.same", { name: name(chosen) })
            : t(`sent.${verdict}`),
      );
    } catch (error) {
      fail(saying, error);
    }
    void refresh();
  };
  const queueUp = (task: () => Promise<void>) => {
    last.current = last.current.then(task, task);
  };

  const undo = async () => {
    const review = done.current.pop();
    if (review === undefined) {
      notifications.show({ message: t("sent.nothing") });
      return;
    }
    if (review.state !== "decided") {
      done.current.push(review);
      notifications.show({ message: t("sent.not_undoable") });
      return;
    }
    try {
      const { data } = await http.POST("/api/v1/reviews/{id}/undo", {
        params: { path: { id: review.id } },
        body: { reason: "" },
      });
      if (data) show(data);
      announce(t("sent.undone"));
    } catch (error) {
      if (failureOf(error) === "keep") done.current.push(review);
      notifications.show({ color: "orange", message: told(error) });
    }
    void refresh();
  };

  return {
    announced,
    unsent,
    send: (saying: Saying) => queueUp(() => post(saying)),
    undo: () => queueUp(undo),
    sendAgain: () => {
      const kept = unsent;
      setUnsent([]);
      for (const saying of kept) queueUp(() => post(saying));
    },
    drop: () => {
      for (const { review } of unsent) show(review);
      setUnsent([]);
    },
  };
}
