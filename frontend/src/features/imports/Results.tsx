import { Progress } from "@mantine/core";
import { count } from "../../shared/lib/format";
import { type Job, RESULTS } from "./jobs";
import { useTexts } from "./texts";

/** A bar of an import's files, a part for each result. What it says stands beside it as text. */
export function ResultBar({
  progress,
  size = "lg",
}: {
  progress: Job["progress"];
  size?: string | number;
}) {
  const { t } = useTexts();
  const { files } = progress;
  const told = RESULTS.filter(({ state }) => progress[state] > 0)
    .map(({ state }) => `${t(`result.${state}`)} ${count(progress[state])}`)
    .join(", ");
  return (
    <Progress.Root size={size} role="img" aria-label={`${t("run.bar")}: ${told || "0"}`}>
      {RESULTS.filter(({ state }) => state !== "waiting" && progress[state] > 0).map(
        ({ state, color }) => (
          <Progress.Section
            key={state}
            value={(100 * progress[state]) / Math.max(files, 1)}
            color={color}
            withAria={false}
          />
        ),
      )}
    </Progress.Root>
  );
}
