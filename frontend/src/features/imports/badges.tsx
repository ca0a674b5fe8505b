import { Badge } from "@mantine/core";
import { type ItemState, JOB_COLORS, type JobState, RESULTS } from "./jobs";
import { useTexts } from "./texts";

/** Where an import stands. */
export function JobBadge({ state, size = "md" }: { state: JobState; size?: string }) {
  const { t } = useTexts();
  return (
    <Badge color={JOB_COLORS[state]} variant="light" size={size}>
      {t(`state.${state}`)}
    </Badge>
  );
}

/** What became of a file. */
export function ResultBadge({ state }: { state: ItemState }) {
  const { t } = useTexts();
  const color = RESULTS.find((each) => each.state === state)?.color ?? "gray";
  return (
    <Badge color={color} variant="light">
      {t(`result.${state}`)}
    </Badge>
  );
}
