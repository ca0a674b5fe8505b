import { act, renderHook, waitFor } from "@testing-library/react";
import { describe, expect, it, vi } from "vitest";
import { ProblemError } from "../../shared/api/problems";
import { useUploads } from "./useUploads";

const file = (name: string) => new File(["x"], name);

describe("uploads", () => {
  it("go two at a time, and tell of each that arrived", async () => {
    const waiting: (() => void)[] = [];
    const send = vi.fn(() => new Promise<void>((resolve) => waiting.push(resolve)));
    const sent = vi.fn();
    const { result } = renderHook(() => useUploads(sent, send));
    act(() => result.current.add("p", [file("1"), file("2"), file("3")]));
    expect(send).toHaveBeenCalledTimes(2);
    expect(result.current.uploads.map(({ state }) => state)).toEqual([
      "sending",
      "sending",
      "waiting",
    ]);
    await act(async () => waiting[0]?.());
    expect(send).toHaveBeenCalledTimes(3);
    await act(async () => {
      waiting[1]?.();
      waiting[2]?.();
    });
    expect(sent).toHaveBeenCalledTimes(3);
    expect(result.current.progress).toEqual({ finished: 3, failed: 0, all: 3, isBusy: false });
  });

  it("fail one by one, and can be tried again", async () => {
    const problem = new ProblemError(415, "unsupported_format", "This is no photo.");
    const send = vi.fn().mockRejectedValueOnce(problem).mockResolvedValue(undefined);
    const { result } = renderHook(() => useUploads(vi.fn(), send));
    act(() => result.current.add("p", [file("notes.txt"), file("face.jpg")]));
    await waitFor(() => expect(result.current.progress.isBusy).toBe(false));
    const [bad, good] = result.current.uploads;
    expect(bad).toMatchObject({ state: "failed", error: problem });
    expect(good).toMatchObject({ state: "done" });
    if (bad === undefined) throw new Error("no upload");
    act(() => result.current.retry("p", bad));
    await waitFor(() => expect(result.current.progress.failed).toBe(0));
  });

  it("that weren't begun are given up when nobody waits for them", async () => {
    const waiting: (() => void)[] = [];
    const send = vi.fn(() => new Promise<void>((resolve) => waiting.push(resolve)));
    const { result, unmount } = renderHook(() => useUploads(vi.fn(), send));
    act(() => result.current.add("p", [file("1"), file("2"), file("3")]));
    unmount();
    await act(async () => waiting[0]?.());
    expect(send).toHaveBeenCalledTimes(2);
  });
});
