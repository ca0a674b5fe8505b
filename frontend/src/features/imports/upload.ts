/**
 * Sending a large file in pieces, each at its offset.
 *
 * The server is asked how much it has whenever that isn't sure: in the beginning, after a broken
 * connection, and when it says that a piece belongs elsewhere. So nothing is ever sent twice or
 * left out, whatever happens to the page, the network or the server.
 */
import { ProblemError } from "../../shared/api/problems";

export type UploadStep = "sending" | "waiting" | "paused" | "failed" | "sent";

export interface UploadState {
  step: UploadStep;
  sent: number;
  total: number;
  /** Bytes a second, lately. */
  rate: number | null;
  /** Why it waits, or failed. */
  error: unknown;
  /** When it is tried again, in milliseconds since the epoch. */
  retryAt: number | null;
}

export interface Transport {
  /** How many bytes the server has. */
  ask: (signal: AbortSignal) => Promise<number>;
  /** Add bytes at an offset; how many there are then. */
  put: (offset: number, piece: Blob, signal: AbortSignal) => Promise<number>;
  /** Say that all is there. */
  complete: (signal: AbortSignal) => Promise<void>;
}

export interface Clock {
  now: () => number;
  sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

const FIRST_PIECE = 1 << 20;
const SMALLEST_PIECE = 1 << 18;
/** Milliseconds that a piece should take: often enough to see it move, seldom enough to be fast. */
const [FAST, SLOW] = [700, 3_000];
const WAITS = [1_000, 2_000, 4_000, 8_000, 15_000];
const RATE_OVER = 10_000;

/** The file is another one than was begun with, or can't be read any more. */
export class FileChanged extends Error {}

/** Whether the same may succeed in a while: nobody answered, the server is busy or starts again. */
export function isPassing(error: unknown): boolean {
  return (
    error instanceof ProblemError && [0, 401, 408, 429, 500, 502, 503, 504].includes(error.status)
  );
}

export class Upload {
  private state: UploadState;
  private control: AbortController | null = null;
  private piece: number;
  private readonly moments: { at: number; sent: number }[] = [];
  private wake = () => {};

  constructor(
    readonly file: Blob,
    private readonly transport: Transport,
    private readonly largest: number,
    private readonly tell: (state: UploadState) => void,
    private readonly clock: Clock = realClock,
  ) {
    this.piece = Math.min(FIRST_PIECE, largest);
    this.state = {
      step: "paused",
      sent: 0,
      total: file.size,
      rate: null,
      error: null,
      retryAt: null,
    };
  }

  get now(): UploadState {
    return this.state;
  }

  /** Go on, or try again at once. */
  start(): void {
    if (this.control !== null) {
      this.wake();
      return;
    }
    if (this.state.step === "sent") return;
    const control = new AbortController();
    this.control = control;
    void this.run(control.signal);
  }

  /** Stop after the piece in hand was given up; `start` goes on. */
  pause(): void {
    this.control?.abort();
    this.control = null;
    if (this.state.step !== "sent") this.set({ step: "paused", rate: null, retryAt: null });
  }

  private async run(signal: AbortSignal): Promise<void> {
    let offset: number | null = null;
    let failures = 0;
    this.moments.length = 0;
    this.set({ step: "sending", error: null, retryAt: null });
    while (!signal.aborted) {
      try {
        offset ??= await this.transport.ask(signal);
        if (signal.aborted) return;
        if (offset > this.file.size) throw new FileChanged();
        this.moved(offset, failures === 0);
        if (offset === this.file.size) {
          await this.transport.complete(signal);
          if (!signal.aborted) this.end({ step: "sent", rate: null });
          return;
        }
        offset = await this.send(offset, signal);
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof ProblemError && error.code === "wrong_offset") {
          offset = null; // an answer was lost, or another window sends it, too
        } else if (isPassing(error)) {
          offset = null;
          this.piece = Math.max(SMALLEST_PIECE, Math.floor(this.piece / 2));
          await this.rest(error, failures++, signal);
        } else {
          this.end({ step: "failed", error, rate: null });
          return;
        }
      }
    }
  }

  private async send(offset: number, signal: AbortSignal): Promise<number> {
    const began = this.clock.now();
    const piece = await readPiece(this.file, offset, this.piece);
    const there = await this.transport.put(offset, piece, signal);
    const took = this.clock.now() - began;
    if (took < FAST) this.piece = Math.min(this.largest, this.piece * 2);
    if (took > SLOW) this.piece = Math.max(SMALLEST_PIECE, Math.floor(this.piece / 2));
    return there;
  }

  /** Where it is. After a failure it is under way again only once a piece was taken. */
  private moved(sent: number, isUnderWay: boolean): void {
    const at = this.clock.now();
    this.moments.push({ at, sent });
    while (this.moments.length > 2 && at - (this.moments[0]?.at ?? at) > RATE_OVER) {
      this.moments.shift();
    }
    const first = this.moments[0];
    const seconds = first ? (at - first.at) / 1000 : 0;
    const rate = first && seconds > 0 ? (sent - first.sent) / seconds : null;
    this.set(isUnderWay ? { step: "sending", sent, rate, error: null, retryAt: null } : { sent });
  }

  private async rest(error: unknown, failures: number, signal: AbortSignal): Promise<void> {
    const wait = WAITS[Math.min(failures, WAITS.length - 1)] ?? 0;
    this.set({ step: "waiting", error, rate: null, retryAt: this.clock.now() + wait });
    await Promise.race([
      this.clock.sleep(wait, signal),
      new Promise<void>((resolve) => {
        this.wake = resolve;
      }),
    ]);
    this.wake = () => {};
    this.moments.length = 0;
  }

  private end(change: Partial<UploadState>): void {
    this.control = null;
    this.set(change);
  }

  private set(change: Partial<UploadState>): void {
    this.state = { ...this.state, ...change };
    this.tell(this.state);
  }
}

/** Read before it is sent: a file that can't be read isn't a server that doesn't answer. */
async function readPiece(file: Blob, offset: number, size: number): Promise<Blob> {
  try {
    return new Blob([await file.slice(offset, offset + size).arrayBuffer()]);
  } catch {
    throw new FileChanged();
  }
}

const realClock: Clock = {
  now: () => Date.now(),
  sleep: (milliseconds, signal) =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      signal.addEventListener("abort", () => {
        clearTimeout(timer);
        resolve();
      });
    }),
};
