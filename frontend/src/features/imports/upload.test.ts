import { describe, expect, it } from "vitest";
import { ProblemError } from "../../shared/api/problems";
import { type Clock, type Transport, Upload, type UploadState } from "./upload";

const MB = 1 << 20;

/** A server that has some bytes, and does to a piece what the test says. */
class Server implements Transport {
  there = 0;
  pieces: [number, number][] = [];
  faults: (Error | "lost" | null)[] = [];
  isComplete = false;

  ask = async () => this.there;

  put = async (offset: number, piece: Blob) => {
    const fault = this.faults.shift() ?? null;
    if (fault instanceof Error) throw fault;
    if (offset !== this.there) throw new ProblemError(409, "wrong_offset", "");
    this.pieces.push([offset, piece.size]);
    this.there += piece.size;
    if (fault === "lost") throw ProblemError.unreachable();
    return this.there;
  };

  complete = async () => {
    this.isComplete = true;
  };
}

function sending(file: Blob, server: Server, took = 10) {
  let time = 0;
  const waits: number[] = [];
  const clock: Clock = {
    now: () => {
      time += took;
      return time;
    },
    sleep: async (milliseconds) => {
      waits.push(milliseconds);
      time += milliseconds;
    },
  };
  const states: UploadState[] = [];
  let ended = () => {};
  const end = new Promise<void>((resolve) => {
    ended = resolve;
  });
  const upload = new Upload(
    file,
    server,
    4 * MB,
    (state) => {
      states.push(state);
      if (["sent", "failed", "paused"].includes(state.step)) ended();
    },
    clock,
  );
  upload.start();
  return { upload, states, waits, end };
}

const file = (size: number) => new Blob([new Uint8Array(size)]);

describe("an upload in pieces", () => {
  it("sends all of it, in larger pieces while they are fast, and says so", async () => {
    const server = new Server();
    const { end, upload } = sending(file(12 * MB), server);
    await end;
    expect(upload.now).toMatchObject({ step: "sent", sent: 12 * MB });
    expect(server.pieces.map(([, size]) => size / MB)).toEqual([1, 2, 4, 4, 1]);
    expect(server.isComplete).toBe(true);
  });

  it("goes on where the server is, after a reload", async () => {
    const server = new Server();
    server.there = 3 * MB;
    await sending(file(4 * MB), server).end;
    expect(server.pieces).toEqual([[3 * MB, MB]]);
  });

  it("waits, longer each time, while nobody answers", async () => {
    const server = new Server();
    server.faults = [
      ProblemError.unreachable(),
      new ProblemError(503, "no_answer", ""),
      ProblemError.unreachable(),
    ];
    const { end, waits, states } = sending(file(2 * MB), server);
    await end;
    expect(waits).toEqual([1000, 2000, 4000]);
    // Said once, and as long as nothing is taken: it doesn't flicker with each try.
    const steps = states.map(({ step }) => step).filter((step, at, all) => step !== all[at - 1]);
    expect(steps).toEqual(["sending", "waiting", "sending", "sent"]);
    expect(server.there).toBe(2 * MB);
  });

  it("sends nothing twice when an answer was lost", async () => {
    const server = new Server();
    server.faults = ["lost"];
    await sending(file(3 * MB), server).end;
    const sizes = server.pieces.map(([, size]) => size);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(3 * MB);
  });

  it("asks where to go on when another window sends, too", async () => {
    const server = new Server();
    server.faults = [new ProblemError(409, "wrong_offset", "")];
    const { end, waits } = sending(file(2 * MB), server);
    await end;
    expect([server.there, waits]).toEqual([2 * MB, []]);
  });

  it.each([
    ["import_state", 409],
    ["too_large", 413],
    ["storage_full", 507],
  ])("stops for %s, and tries again when it is told to", async (code, status) => {
    const server = new Server();
    server.faults = [new ProblemError(status, code, "No.")];
    const { end, upload } = sending(file(MB), server);
    await end;
    expect(upload.now).toMatchObject({ step: "failed", sent: 0 });
    upload.start();
    await expect.poll(() => upload.now.step).toBe("sent");
  });

  it("doesn't go on with another, shorter file", async () => {
    const server = new Server();
    server.there = 5 * MB;
    const { end, upload } = sending(file(MB), server);
    await end;
    expect(upload.now.step).toBe("failed");
    expect(server.pieces).toEqual([]);
  });

  it("pauses and goes on", async () => {
    const server = new Server();
    const { upload, end } = sending(file(9 * MB), server);
    upload.pause();
    await end;
    expect(upload.now.step).toBe("paused");
    upload.start();
    await expect.poll(() => upload.now.step).toBe("sent");
    expect(server.there).toBe(9 * MB);
  });
});
