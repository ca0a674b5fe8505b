import { describe, expect, it } from "vitest";
import { ProblemError } from "../../shared/api/problems";
import { commandOf, isElsewhere } from "./keys";
import {
  currentOf,
  EMPTY,
  failureOf,
  nextOf,
  passed,
  type Review,
  returned,
  waiting,
} from "./queue";
import { panned, WHOLE, zoomed } from "./view";

const review = (id: string) => ({ id, candidates: [] }) as unknown as Review;
const list = ["a", "b", "c"].map(review);
const key = (pressed: string, more = {}) =>
  commandOf({
    key: pressed,
    repeat: false,
    ctrlKey: false,
    metaKey: false,
    altKey: false,
    ...more,
  });

describe("the queue", () => {
  it("goes on to the next, and past the end to what is left", () => {
    const first = passed(EMPTY, list, "a", "said");
    expect(currentOf(first, list)?.id).toBe("b");
    const last = passed(passed(first, list, "b", "skipped"), list, "c", "said");
    expect(currentOf(last, list)).toBeNull();
    expect(waiting({ ...last, skipped: [] }, list).map(({ id }) => id)).toEqual(["b"]);
  });

  it("holds what is looked at while the list changes", () => {
    const held = { ...EMPTY, held: list[1] ?? null };
    expect(currentOf(held, [review("z"), ...list])?.id).toBe("b");
    // Decided by somebody else: the server says so when it is tried.
    expect(currentOf(held, [review("a")])?.id).toBe("b");
  });

  it("knows what comes next, to fetch its pictures", () => {
    expect(nextOf({ ...EMPTY, held: list[1] ?? null }, list).map(({ id }) => id)).toEqual([
      "c",
      "a",
    ]);
  });

  it("shows again what was undone", () => {
    const queue = returned(passed(EMPTY, list, "a", "said"), review("a"));
    expect(currentOf(queue, list)?.id).toBe("a");
    expect(queue.said).toEqual([]);
  });

  it.each([
    [ProblemError.unreachable(), "keep"],
    [new ProblemError(401, "not_authenticated", ""), "keep"],
    [new ProblemError(503, "no_answer", ""), "keep"],
    [new ProblemError(409, "review_state", ""), "next"],
    [new ProblemError(409, "opinion_given", ""), "next"],
    [new ProblemError(404, "not_found", ""), "next"],
    [new ProblemError(409, "changed", ""), "again"],
    [new ProblemError(422, "who_is_it", ""), "again"],
  ])("deals with a decision that was not taken (%s)", (error, then) => {
    expect(failureOf(error)).toBe(then);
  });
});

describe("keys", () => {
  it("decide, choose, zoom and move", () => {
    expect(key("S")).toEqual({ do: "decide", verdict: "same" });
    expect(key("3")).toEqual({ do: "choose", place: 2 });
    expect(key("?")).toEqual({ do: "help" });
    expect(key("ArrowUp")).toMatchObject({ do: "pan" });
    expect(key("x")).toBeNull();
    expect(key("toString")).toBeNull();
  });

  it("decide nothing while held down, or with Ctrl", () => {
    expect(key("s", { repeat: true })).toBeNull();
    expect(key("+", { repeat: true })).not.toBeNull();
    expect(key("z", { ctrlKey: true })).toBeNull();
  });

  it("write where one writes", () => {
    document.body.innerHTML = "<textarea></textarea><button></button>";
    expect(isElsewhere(document.querySelector("textarea"))).toBe(true);
    expect(isElsewhere(document.querySelector("button"))).toBe(false);
    document.body.innerHTML += '<div role="dialog"></div>';
    expect(isElsewhere(document.querySelector("button"))).toBe(true);
    document.body.innerHTML = "";
  });
});

describe("the view", () => {
  it("keeps the point under the pointer", () => {
    const view = zoomed(WHOLE, 2, 0.25, -0.25);
    expect(view).toEqual({ scale: 2, x: -0.25, y: 0.25 });
  });

  it("ends at the picture's edges, and never gets smaller than it", () => {
    expect(panned(zoomed(WHOLE, 2), 9, -9)).toEqual({ scale: 2, x: 0.5, y: -0.5 });
    expect(zoomed(zoomed(WHOLE, 4, 0.5, 0.5), 0.01)).toEqual(WHOLE);
    expect(panned(WHOLE, 1, 1)).toEqual(WHOLE);
  });
});
