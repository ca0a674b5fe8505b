/** The photos that are looked up on this page, and the work on them: a few at once, in their order. */
import type { Schemas } from "../../shared/api/client";
import { ProblemError } from "../../shared/api/problems";
import { type Refusal, refusal } from "./files";
import { telling } from "./words";

export type Identification = Schemas["Identification"];
export type LookedUp = Schemas["Lookup"];
export type Candidate = Schemas["Candidate"];

/** Where to look, and why. */
export interface Question {
  galleries: string[];
  reason: string;
}

/** What became of a face after it was looked up. */
export interface Outcome {
  review: string;
  state: Schemas["ReviewState"];
  verdict: Schemas["SearchReview"]["verdict"];
  person: string | null;
}

export type Progress =
  | { state: "waiting" }
  | { state: "working"; since: number }
  | { state: "done"; answer: Identification; question: Question }
  | { state: "failed"; error: unknown }
  | { state: "refused"; why: Refusal };

export interface Entry {
  id: number;
  name: string;
  file: File;
  /** The photo's address within this page; empty if it isn't shown. */
  url: string;
  progress: Progress;
  /** The face that is looked at. */
  face: number;
  outcomes: Record<number, Outcome>;
}

export interface State {
  entries: readonly Entry[];
  /** The photo that is looked at. */
  chosen: number | null;
}

export type Send = (file: File, question: Question, signal: AbortSignal) => Promise<Identification>;

/** So many photos are on their way at once: the server has other callers. */
export const AT_ONCE = 2;
/** What one page shows; more than these is an import's or a batch's work. */
export const MOST = 50;

const NOTHING: State = { entries: [], chosen: null };

/** A list of photos whose lookups go on whether somebody watches or not. */
export class Lookups {
  private state = NOTHING;
  private question: Question | null = null;
  private number = 0;
  private readonly watchers = new Set<() => void>();
  private readonly running = new Map<number, AbortController>();

  constructor(
    private readonly send: Send,
    private readonly urls: Pick<typeof URL, "createObjectURL" | "revokeObjectURL"> = URL,
  ) {}

  readonly subscribe = (watcher: () => void) => {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  };

  readonly snapshot = (): State => this.state;

  /** Look up in this way from now on; null: wait, something is missing yet. */
  ask(question: Question | null): void {
    this.question = question;
    this.work();
  }

  /** Add photos, and look at the first of them; returns how many there was no room for. */
  add(files: readonly File[], folders: readonly string[] = []): number {
    const room = Math.max(0, MOST - this.state.entries.length);
    const entries = [
      ...folders.map((name) => this.entry(new File([], name), "folder")),
      ...files.map((file) => this.entry(file, refusal(file))),
    ].slice(0, room);
    const first = entries.find(({ progress }) => progress.state === "waiting") ?? entries[0];
    if (first !== undefined) {
      this.set({ entries: [...this.state.entries, ...entries], chosen: first.id });
      this.work();
    }
    return files.length + folders.length - entries.length;
  }

  private entry(file: File, why: Refusal | null): Entry {
    this.number += 1;
    const progress: Progress = why === null ? { state: "waiting" } : { state: "refused", why };
    const url = why === null ? this.urls.createObjectURL(file) : "";
    return { id: this.number, name: file.name, file, url, progress, face: 0, outcomes: {} };
  }

  /** Look the same photo up again. */
  again(id: number): void {
    const entry = this.find(id);
    if (entry === undefined || entry.progress.state === "refused") return;
    this.running.get(id)?.abort();
    this.running.delete(id);
    this.change(id, { progress: { state: "waiting" }, face: 0, outcomes: {} });
    this.work();
  }

  choose(id: number): void {
    this.set({ ...this.state, chosen: id });
  }

  chooseFace(id: number, face: number): void {
    this.change(id, { face });
  }

  /** Note what became of a face. */
  note(id: number, face: number, outcome: Outcome): void {
    const entry = this.find(id);
    if (entry) this.change(id, { outcomes: { ...entry.outcomes, [face]: outcome } });
  }

  remove(id: number): void {
    this.forget(this.state.entries.filter((entry) => entry.id === id));
    const entries = this.state.entries.filter((entry) => entry.id !== id);
    const isGone = this.state.chosen === id;
    this.set({ entries, chosen: isGone ? (entries.at(-1)?.id ?? null) : this.state.chosen });
    this.work();
  }

  clear(): void {
    this.forget(this.state.entries);
    this.set(NOTHING);
  }

  private forget(entries: readonly Entry[]): void {
    for (const { id, url } of entries) {
      this.running.get(id)?.abort();
      this.running.delete(id);
      if (url !== "") this.urls.revokeObjectURL(url);
    }
  }

  private find(id: number): Entry | undefined {
    return this.state.entries.find((entry) => entry.id === id);
  }

  private change(id: number, change: Partial<Entry>): void {
    const entries = this.state.entries.map((entry) =>
      entry.id === id ? { ...entry, ...change } : entry,
    );
    this.set({ ...this.state, entries });
  }

  private set(state: State): void {
    this.state = state;
    for (const watcher of this.watchers) watcher();
  }

  /** Begin as many as may run. */
  private work(): void {
    const question = this.question;
    if (question === null) return;
    for (const entry of this.state.entries) {
      if (this.running.size >= AT_ONCE) return;
      if (entry.progress.state === "waiting") void this.run(entry, question);
    }
  }

  private async run({ id, file }: Entry, question: Question): Promise<void> {
    const abort = new AbortController();
    this.running.set(id, abort);
    this.change(id, { progress: { state: "working", since: Date.now() } });
    let progress: Progress;
    let face = 0;
    try {
      const answer = await this.send(file, question, abort.signal);
      performance.mark("lookup:answered");
      progress = { state: "done", answer, question };
      face = telling(answer.faces);
    } catch (error) {
      progress = { state: "failed", error };
    }
    // Cleared meanwhile, or begun anew.
    if (this.running.get(id) !== abort) return;
    this.running.delete(id);
    // Signed out in the middle: it waits until somebody has signed in again.
    const isSignedOut =
      progress.state === "failed" &&
      progress.error instanceof ProblemError &&
      progress.error.status === 401;
    this.change(id, { progress, face });
    if (!isSignedOut) this.work();
  }
}
