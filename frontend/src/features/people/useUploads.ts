import { useCallback, useEffect, useRef, useState } from "react";
import { http } from "../../shared/api/client";

/** So many files are on their way at once: the server decodes each while it arrives. */
const AT_ONCE = 2;

export interface Upload {
  id: number;
  file: File;
  state: "waiting" | "sending" | "done" | "failed";
  error?: unknown;
}

/** Send a file as a photo of a person. Throws a ProblemError. */
export async function sendPhoto(person: string, photo: File): Promise<void> {
  await http.POST("/api/v1/photos", {
    // The schema says `string` for a file; the serializer below makes a form of it.
    body: { person, photo: "" },
    bodySerializer: () => {
      const form = new FormData();
      form.append("person", person);
      form.append("photo", photo);
      return form;
    },
  });
}

/**
 * Photos on their way to the server, a few at a time; each one's failure is its own.
 *
 * `sent` is called after each that arrived.
 */
export function useUploads(sent: () => void, send = sendPhoto) {
  const [uploads, setUploads] = useState<Upload[]>([]);
  const queue = useRef<{ person: string; upload: Upload }[]>([]);
  const running = useRef(0);
  const next = useRef(1);
  const isGone = useRef(false);
  const onSent = useRef(sent);
  useEffect(() => {
    onSent.current = sent;
  });
  useEffect(() => {
    isGone.current = false;
    return () => {
      // What wasn't begun stays unsent; nobody is there who could hear of it.
      isGone.current = true;
      queue.current = [];
    };
  }, []);

  const pump = useCallback(() => {
    const put = (id: number, changed: Partial<Upload>) => {
      if (isGone.current) return;
      setUploads((all) => all.map((each) => (each.id === id ? { ...each, ...changed } : each)));
    };
    const run = async (person: string, upload: Upload) => {
      put(upload.id, { state: "sending", error: undefined });
      try {
        await send(person, upload.file);
        put(upload.id, { state: "done" });
        onSent.current();
      } catch (error) {
        put(upload.id, { state: "failed", error });
      } finally {
        running.current -= 1;
        pump();
      }
    };
    while (running.current < AT_ONCE) {
      const job = queue.current.shift();
      if (job === undefined) return;
      running.current += 1;
      void run(job.person, job.upload);
    }
  }, [send]);

  const add = useCallback(
    (person: string, files: readonly File[]) => {
      const fresh = files.map((file): Upload => ({ id: next.current++, file, state: "waiting" }));
      setUploads((all) => [...all.filter(({ state }) => state !== "done"), ...fresh]);
      queue.current.push(...fresh.map((upload) => ({ person, upload })));
      pump();
    },
    [pump],
  );

  const retry = useCallback(
    (person: string, upload: Upload) => {
      setUploads((all) =>
        all.map((each) => (each.id === upload.id ? { ...each, state: "waiting" } : each)),
      );
      queue.current.push({ person, upload });
      pump();
    },
    [pump],
  );

  const dismiss = useCallback((id: number) => {
    setUploads((all) => all.filter((each) => each.id !== id));
  }, []);

  return { uploads, add, retry, dismiss, progress: progressOf(uploads) };
}

/** How many are finished, of how many; and whether any are still to be. */
export function progressOf(uploads: readonly Upload[]) {
  const finished = uploads.filter(({ state }) => state === "done" || state === "failed").length;
  const failed = uploads.filter(({ state }) => state === "failed").length;
  return { finished, failed, all: uploads.length, isBusy: finished < uploads.length };
}
