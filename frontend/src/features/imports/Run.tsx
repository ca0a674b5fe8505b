import { Alert, Group, Stack, Table, Text, Title } from "@mantine/core";
import { count, duration, percent } from "../../shared/lib/format";
import { ResultBadge } from "./badges";
import { doneShare, type Job, RESULTS } from "./jobs";
import { ResultBar } from "./Results";
import { useTexts } from "./texts";

/** How far an import is, and what became of its files in numbers. */
export function Run({ job }: { job: Job }) {
  const { t } = useTexts();
  const { progress, state } = job;
  const done = Math.round(doneShare(progress) * progress.files);
  const summary = t("run.done_of", { done: count(done), files: count(progress.files) });
  return (
    <Stack component="section">
      <Title order={2} size="h4">
        {t("run.title")}
      </Title>
      {job.losses.length > 0 && (
        <Alert color="red" title={t("plan.losses")}>
          {job.losses.map((loss) => (
            <Text size="sm" key={loss.code + loss.sentence}>
              {loss.sentence}
            </Text>
          ))}
        </Alert>
      )}
      <Stack gap="xs">
        <ResultBar progress={progress} size={24} />
        <Group justify="space-between" gap="xs">
          <Text size="sm">
            {summary} ({percent(doneShare(progress), 0)})
          </Text>
          <Pace job={job} />
        </Group>
        {state !== "running" && (
          <Text size="sm" aria-live="polite">
            {state === "paused" && t("run.paused")}
            {state === "undoing" && t("run.undoing")}
            {state === "undone" && t("run.undone")}
          </Text>
        )}
      </Stack>
      <Numbers progress={progress} />
    </Stack>
  );
}

function Pace({ job }: { job: Job }) {
  const { t } = useTexts();
  const { rate, seconds_left: left } = job.progress;
  if (job.state === "running") {
    if (!job.listed) return <Text size="sm">{t("run.listing")}</Text>;
    return (
      <Text size="sm">
        {rate !== null && t("run.rate", { rate: count(Math.round(rate * 10) / 10) })}
        {left !== null && ` · ${t("run.left", { left: duration(left) })}`}
      </Text>
    );
  }
  if (!job.started_at || !job.finished_at || job.state !== "done") return null;
  const seconds = (Date.parse(job.finished_at) - Date.parse(job.started_at)) / 1000;
  return (
    <Text size="sm">
      {t("run.took", { time: duration(Math.max(1, seconds)) })}
      {rate !== null && ` · ${t("run.rate", { rate: count(Math.round(rate * 10) / 10) })}`}
    </Text>
  );
}

function Numbers({ progress }: { progress: Job["progress"] }) {
  const { t } = useTexts();
  return (
    <Table maw={720} verticalSpacing={4} aria-label={t("run.bar")}>
      <Table.Thead>
        <Table.Tr>
          <Table.Th>{t("run.result")}</Table.Th>
          <Table.Th ta="right">{t("run.count")}</Table.Th>
          <Table.Th ta="right">{t("run.share")}</Table.Th>
          <Table.Td />
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {RESULTS.map(({ state }) => (
          <Table.Tr key={state}>
            <Table.Td>
              <ResultBadge state={state} />
            </Table.Td>
            <Table.Td ta="right">{count(progress[state])}</Table.Td>
            <Table.Td ta="right">
              {percent(progress[state] / Math.max(progress.files, 1), 1)}
            </Table.Td>
            <Table.Td>
              <Text size="xs">{t(`result_hint.${state}`)}</Text>
            </Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}
