/** The uploads of this window. They go on while one looks at other pages of the portal. */
import { useSyncExternalStore } from "react";
import { http } from "../../shared/api/client";
import { type Transport, Upload, type UploadState } from "./upload";

/** What is known of a file that was begun with, to tell it from another after a reload. */
export interface Begun {
  name: string;
  size: number;
  modified: number;
}

const PIECE = 16 << 20;
const uploads = new Map<string, Upload>();
const listeners = new Set<() => void>();

function tellAll(): void {
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** How the upload of a job is; null where this window has none. */
export function useUpload(job: string): UploadState | null {
  return useSyncExternalStore(subscribe, () => uploads.get(job)?.now ?? null);
}

/** Begin, or go on with, a job's archive or list. `isWhole`: the plan may be made once it is there. */
export function beginUpload(job: string, file: Blob, options: { isWhole: boolean }): void {
  uploads.get(job)?.pause();
  if (file instanceof File) remember(job, file);
  const upload = new Upload(file, transportOf(job, options.isWhole), PIECE, tellAll);
  uploads.set(job, upload);
  upload.start();
}

export function pauseUpload(job: string): void {
  uploads.get(job)?.pause();
}

export function resumeUpload(job: string): void {
  uploads.get(job)?.start();
}

/** The job was cancelled, or takes nothing more. */
export function forgetUpload(job: string): void {
  uploads.get(job)?.pause();
  uploads.delete(job);
  localStorage.removeItem(keyOf(job));
  tellAll();
}

function transportOf(job: string, isWhole: boolean): Transport {
  const path = { id: job };
  return {
    ask: async (signal) => {
      const { data } = await http.GET("/api/v1/imports/{id}", { params: { path }, signal });
      return data?.uploaded ?? 0;
    },
    put: async (offset, piece, signal) => {
      const { data } = await http.PUT("/api/v1/imports/{id}/archive", {
        params: { path, query: { offset } },
        // The schema calls bytes a string.
        body: piece as unknown as string,
        bodySerializer: (body) => body,
        headers: { "Content-Type": "application/octet-stream" },
        signal,
      });
      return data?.uploaded ?? 0;
    },
    complete: async (signal) => {
      if (isWhole) await sayAllSent(job, signal);
    },
  };
}

/** Everything is there: let it be planned. */
export async function sayAllSent(job: string, signal?: AbortSignal): Promise<void> {
  await http.POST("/api/v1/imports/{id}/uploaded", {
    params: { path: { id: job } },
    ...(signal && { signal }),
  });
  localStorage.removeItem(keyOf(job));
}

/** Send the table that says who is on which photo; it takes the place of one sent before. */
export async function sendManifest(job: string, table: Blob): Promise<void> {
  for (let offset = 0; offset === 0 || offset < table.size; offset += PIECE) {
    await http.PUT("/api/v1/imports/{id}/manifest", {
      params: { path: { id: job }, query: { offset } },
      body: table.slice(offset, offset + PIECE) as unknown as string,
      bodySerializer: (body) => body,
      headers: { "Content-Type": "text/csv" },
    });
  }
}

const keyOf = (job: string) => `likeness.upload.${job}`;

function remember(job: string, file: File): void {
  const begun: Begun = { name: file.name, size: file.size, modified: file.lastModified };
  localStorage.setItem(keyOf(job), JSON.stringify(begun));
}

/** The file that this browser began to send for a job. */
export function begunWith(job: string): Begun | null {
  try {
    return JSON.parse(localStorage.getItem(keyOf(job)) ?? "null") as Begun | null;
  } catch {
    return null;
  }
}

/** Whether `file` can be the one whose first `uploaded` bytes are on the server. */
export function isSameFile(file: File, begun: Begun | null, uploaded: number): boolean {
  if (begun === null) return file.size >= uploaded;
  return file.name === begun.name && file.size === begun.size;
}

/** The browser asks before the window is closed in the middle of an upload. */
window.addEventListener("beforeunload", (event) => {
  const isBusy = [...uploads.values()].some(({ now }) => ["sending", "waiting"].includes(now.step));
  if (isBusy) event.preventDefault();
});
window.addEventListener("online", () => {
  for (const upload of uploads.values()) if (upload.now.step === "waiting") upload.start();
});
