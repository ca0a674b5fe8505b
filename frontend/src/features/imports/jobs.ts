/** What can be known of an import from its state. */
import type { Schemas } from "../../shared/api/client";

export type Job = Schemas["Import"];
export type JobState = Schemas["ImportState"];
export type ItemState = Schemas["ImportItemState"];

/** Results of files, in the order of a bar, with a colour each. */
export const RESULTS = [
  { state: "enrolled", color: "green" },
  { state: "duplicate", color: "blue" },
  { state: "review", color: "orange" },
  { state: "rejected", color: "red" },
  { state: "failed", color: "grape" },
  { state: "working", color: "petrol" },
  { state: "waiting", color: "gray" },
] as const satisfies readonly { state: ItemState; color: string }[];

export const JOB_COLORS: Record<JobState, string> = {
  uploading: "blue",
  planning: "blue",
  planned: "orange",
  running: "petrol",
  paused: "yellow",
  cancelled: "gray",
  done: "green",
  failed: "red",
  undoing: "grape",
  undone: "gray",
};

export type Step = "start" | "pause" | "resume" | "cancel" | "undo" | "retry";

/** What may be done with a job in this state; the server has the last word. */
export function stepsOf(job: Pick<Job, "state" | "progress">): Step[] {
  const retry: Step[] = job.progress.failed > 0 ? ["retry"] : [];
  const steps: Record<JobState, Step[]> = {
    uploading: ["cancel"],
    planning: ["cancel"],
    planned: ["start", "cancel"],
    running: ["pause", "cancel", ...retry],
    paused: ["resume", "cancel", "undo", ...retry],
    cancelled: ["resume", "undo", ...retry],
    failed: ["resume"],
    done: ["undo", ...retry],
    undoing: [],
    undone: [],
  };
  return steps[job.state];
}

/** Milliseconds after which a job is asked for again; false where it changes by nobody's doing. */
export function pollingOf(state: JobState | undefined): number | false {
  if (state === undefined) return false;
  if (["planning", "running", "undoing"].includes(state)) return 1_000;
  return ["uploading", "planned", "paused"].includes(state) ? 5_000 : false;
}

/** Files with a result, of all. */
export function doneShare(progress: Job["progress"]): number {
  const left = progress.waiting + progress.working;
  return progress.files === 0 ? 0 : (progress.files - left) / progress.files;
}

/** Whether its files have rows to look at. */
export function hasItems(job: Job): boolean {
  return job.progress.files > 0;
}

/** Whether a table is to be sent beside the source. */
export function awaitsManifest(job: Job): boolean {
  return job.layout.manifest === "sent";
}

/** Whether a plan failed for the table alone, so that another one is enough. */
export function hasBadManifest(job: Job): boolean {
  const isBad = job.code === "unusable_manifest" || job.code === "missing_columns";
  return awaitsManifest(job) && job.state === "failed" && isBad;
}
