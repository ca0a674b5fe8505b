import { describe, expect, it, vi } from "vitest";
import { ProblemError } from "../../shared/api/problems";
import { AT_ONCE, type Identification, Lookups, MOST, type Send } from "./lookups";

const urls = { createObjectURL: () => "blob:photo", revokeObjectURL: vi.fn() };
const question = { galleries: ["g"], reason: "" };
const photo = (name = "a.jpg") => new File(["x"], name, { type: "image/jpeg" });
const answer = (...decisions: string[]) =>
  ({
    search: "s",
    faces: decisions.map((decision) => ({ decision })),
  }) as unknown as Identification;

interface Sent {
  answer: (it: Identification) => void;
  fail: (why: unknown) => void;
  signal: AbortSignal;
}

/** A server that answers when it is told to. */
function server() {
  const sent: Sent[] = [];
  const send: Send = (_file, _question, signal) =>
    new Promise((resolve, reject) => sent.push({ answer: resolve, fail: reject, signal }));
  return { sent, lookups: new Lookups(send, urls) };
}

const states = (lookups: Lookups) =>
  lookups.snapshot().entries.map(({ progress }) => progress.state);
const settled = () => new Promise((resolve) => setTimeout(resolve));

describe("Lookups", () => {
  it("works on a few at once, and begins the next when one is done", async () => {
    const { sent, lookups } = server();
    lookups.ask(question);
    lookups.add([photo("1"), photo("2"), photo("3")]);
    expect(sent).toHaveLength(AT_ONCE);
    expect(states(lookups)).toEqual(["working", "working", "waiting"]);
    sent[1]?.answer(answer());
    await settled();
    expect(states(lookups)).toEqual(["working", "done", "working"]);
  });

  it("sends nothing until it knows where to look and why", () => {
    const { sent, lookups } = server();
    lookups.add([photo()]);
    expect(sent).toHaveLength(0);
    lookups.ask(question);
    expect(sent).toHaveLength(1);
  });

  it("sends no text, no folder, no empty and no huge file", () => {
    const { sent, lookups } = server();
    lookups.ask(question);
    const huge = photo();
    Object.defineProperty(huge, "size", { value: 60_000_000 });
    const text = new File(["x"], "a.txt", { type: "text/plain" });
    lookups.add([text, new File([], "b.jpg"), huge], ["c"]);
    expect(sent).toHaveLength(0);
    const why = lookups.snapshot().entries.map(({ progress }) => "why" in progress && progress.why);
    expect(why).toEqual(["folder", "no_photo", "empty", "too_large"]);
  });

  it("looks first at the face that says most", async () => {
    const { sent, lookups } = server();
    lookups.ask(question);
    lookups.add([photo()]);
    sent[0]?.answer(answer("poor_quality", "match", "no_match"));
    await settled();
    expect(lookups.snapshot().entries[0]?.face).toBe(1);
  });

  it("goes on after a failure, and tries again when asked to", async () => {
    const { sent, lookups } = server();
    lookups.ask(question);
    lookups.add([photo("1"), photo("2"), photo("3")]);
    sent[0]?.fail(ProblemError.unreachable());
    await settled();
    expect(states(lookups)).toEqual(["failed", "working", "working"]);
    sent[1]?.answer(answer());
    await settled();
    lookups.again(1);
    expect(states(lookups)).toEqual(["working", "done", "working"]);
  });

  it("begins no other when nobody is signed in any more", async () => {
    const { sent, lookups } = server();
    lookups.ask(question);
    lookups.add([photo("1"), photo("2"), photo("3")]);
    sent[0]?.fail(new ProblemError(401, "not_authenticated", ""));
    await settled();
    expect(states(lookups)).toEqual(["failed", "working", "waiting"]);
  });

  it("forgets everything when it is cleared, and an answer that comes later", async () => {
    const { sent, lookups } = server();
    lookups.ask(question);
    lookups.add([photo()]);
    lookups.clear();
    expect(sent[0]?.signal.aborted).toBe(true);
    expect(urls.revokeObjectURL).toHaveBeenCalledWith("blob:photo");
    sent[0]?.answer(answer());
    await settled();
    expect(lookups.snapshot()).toEqual({ entries: [], chosen: null });
    lookups.add([photo()]);
    expect(states(lookups)).toEqual(["working"]);
  });

  it("looks at another photo when the one looked at is removed", () => {
    const { lookups } = server();
    lookups.add([photo("1"), photo("2")]);
    lookups.remove(1);
    expect(lookups.snapshot().chosen).toBe(2);
  });

  it("says how many it had no room for", () => {
    const { lookups } = server();
    expect(lookups.add(Array.from({ length: MOST + 3 }, () => photo()))).toBe(3);
    expect(lookups.snapshot().entries).toHaveLength(MOST);
  });
});
