import { Alert, Code, List, Paper, SimpleGrid, Stack, Table, Text, Title } from "@mantine/core";
import { api, type Schemas } from "../../shared/api/client";
import { bytes, count, duration } from "../../shared/lib/format";
import { ErrorState, Loading } from "../../shared/ui/states";
import { WideTable } from "../../shared/ui/WideTable";
import type { Job } from "./jobs";
import { useCodeLabel, useTexts } from "./texts";

type PlanOf = NonNullable<Job["plan"]>;
type Preview = Schemas["ImportPreview"];

/** What an import would do: numbers, what is not taken, and how its first files are understood. */
export function Plan({ job, plan }: { job: Job; plan: PlanOf }) {
  const { t } = useTexts();
  const preview = api.useQuery("get", "/api/v1/imports/{id}/preview", {
    params: { path: { id: job.id } },
  });
  return (
    <Stack component="section">
      <Title order={2} size="h4">
        {t("plan.title")}
      </Title>
      {plan.photos === 0 && <Alert color="orange">{t("plan.nothing")}</Alert>}
      <Numbers plan={plan} />
      <Notes plan={plan} />
      <Faults plan={plan} />
      {preview.isError && <ErrorState error={preview.error} retry={preview.refetch} />}
      {preview.isPending && <Loading lines={3} />}
      {preview.data && <Rows preview={preview.data} />}
    </Stack>
  );
}

function Numbers({ plan }: { plan: PlanOf }) {
  const { t } = useTexts();
  const refused = sum(plan.refused) + sum(plan.lines);
  const rate = count(Math.round((plan.rate ?? 0) * 10) / 10);
  return (
    <SimpleGrid cols={{ base: 2, sm: 3, lg: 5 }}>
      <Figure
        label={t("plan.photos")}
        value={count(plan.photos)}
        hint={t("plan.photos_hint", { bytes: bytes(plan.bytes) })}
      />
      <Figure
        label={t("plan.people")}
        value={count(plan.people)}
        hint={t("plan.people_hint", { new: count(plan.new ?? 0), known: count(plan.known ?? 0) })}
      />
      <Figure
        label={t("plan.duplicates")}
        value={plan.compared ? count(plan.duplicates ?? 0) : "–"}
        hint={
          plan.compared
            ? t("plan.duplicates_hint", { compared: count(plan.compared) })
            : t("plan.duplicates_none")
        }
      />
      <Figure
        label={t("plan.time")}
        value={plan.seconds === null ? "–" : duration(Math.max(1, plan.seconds))}
        hint={t(plan.is_rate_measured ? "plan.time_measured" : "plan.time_usual", { rate })}
      />
      <Figure
        label={t("plan.refused")}
        value={count(refused)}
        hint={t(refused === 0 ? "plan.refused_none" : "plan.refused_hint")}
      />
    </SimpleGrid>
  );
}

function Figure(props: { label: string; value: string; hint: string }) {
  return (
    <Paper withBorder p="sm">
      <Text size="sm">{props.label}</Text>
      <Text size="xl" fw={600}>
        {props.value}
      </Text>
      <Text size="xs">{props.hint}</Text>
    </Paper>
  );
}

function Notes({ plan }: { plan: PlanOf }) {
  const { t } = useTexts();
  const { headers } = plan;
  const unreadable = sum(headers.refused);
  const ignored = Object.entries(plan.ignored).map(([why, number]) =>
    t(`plan.ignored_why.${why}` as "plan.ignored_why.hidden", { count: number }),
  );
  return (
    <>
      {plan.losses.length > 0 && (
        <Alert color="red" title={t("plan.losses")}>
          <List size="sm">
            {plan.losses.map((loss) => (
              <List.Item key={loss.code + loss.sentence}>{loss.sentence}</List.Item>
            ))}
          </List>
        </Alert>
      )}
      {unreadable > 0 && (
        <Alert color="orange">
          {t("plan.headers", { count: unreadable, judged: count(headers.judged) })}
        </Alert>
      )}
      {plan.twins > 0 && <Text size="sm">{t("plan.twins", { count: plan.twins })}</Text>}
      {ignored.length > 0 && (
        <Text size="sm">{t("plan.ignored", { parts: ignored.join(", ") })}</Text>
      )}
    </>
  );
}

/** All that will be rejected as far as it is known: by name, by header, by the table. */
function Faults({ plan }: { plan: PlanOf }) {
  const { t } = useTexts();
  const label = useCodeLabel();
  const all = [plan.refused, plan.headers.refused, plan.lines].flatMap(Object.entries<number>);
  if (all.length === 0) return null;
  return (
    <Stack gap="xs">
      <Title order={3} size="h5">
        {t("plan.faults")}
      </Title>
      <WideTable
        label={t("plan.faults")}
        minWidth={520}
        head={
          <>
            <Table.Th ta="right" w={90}>
              {t("plan.fault_count")}
            </Table.Th>
            <Table.Th>{t("plan.fault_why")}</Table.Th>
            <Table.Th>{t("plan.fault_examples")}</Table.Th>
          </>
        }
      >
        {all.map(([code, number]) => {
          const examples = plan.examples.filter((each) => each.code === code);
          return (
            <Table.Tr key={code}>
              <Table.Td ta="right">{count(number)}</Table.Td>
              <Table.Td>
                <Text size="sm" fw={600}>
                  {label(code)}
                </Text>
                <Text size="sm">{examples[0]?.sentence}</Text>
              </Table.Td>
              <Table.Td>
                {examples.slice(0, 3).map((each) => (
                  <Text key={each.name} size="sm" style={{ overflowWrap: "anywhere" }}>
                    <bdi>{each.name || "–"}</bdi>
                  </Text>
                ))}
              </Table.Td>
            </Table.Tr>
          );
        })}
      </WideTable>
    </Stack>
  );
}

function Rows({ preview }: { preview: Preview }) {
  const { t } = useTexts();
  const label = useCodeLabel();
  const hasLines = preview.rows.some((row) => row.line !== null);
  return (
    <Stack gap="xs">
      <Title order={3} size="h5">
        {preview.table ? t("plan.rows_table", { table: preview.table }) : t("plan.rows")}
      </Title>
      {preview.table && <Columns columns={preview.columns} />}
      <WideTable
        label={t("plan.rows")}
        minWidth={620}
        head={
          <>
            {hasLines && <Table.Th ta="right">{t("plan.row_line")}</Table.Th>}
            <Table.Th>{t("plan.row_file")}</Table.Th>
            <Table.Th>{t("plan.row_id")}</Table.Th>
            <Table.Th>{t("plan.row_name")}</Table.Th>
            <Table.Th>{t("plan.row_more")}</Table.Th>
            <Table.Th>{t("plan.row_state")}</Table.Th>
          </>
        }
      >
        {preview.rows.map((row, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a file may be named twice
          <Table.Tr key={index}>
            {hasLines && <Table.Td ta="right">{row.line}</Table.Td>}
            <Table.Td style={{ overflowWrap: "anywhere" }}>
              <bdi>{row.file}</bdi>
            </Table.Td>
            <Table.Td>
              <bdi>{row.external_id}</bdi>
            </Table.Td>
            <Table.Td>
              <bdi>{row.name}</bdi>
            </Table.Td>
            <Table.Td>
              {[...Object.entries(row.metadata)].map(([key, value]) => (
                <Text key={key} size="xs">
                  <bdi>{key}</bdi>: <bdi>{value}</bdi>
                </Text>
              ))}
              {row.several_faces && <Text size="xs">{row.several_faces}</Text>}
            </Table.Td>
            <Table.Td>
              {row.code ? (
                <>
                  <Text size="sm" fw={600} c="var(--mantine-color-error)">
                    {label(row.code)}
                  </Text>
                  <Text size="xs">{row.sentence}</Text>
                </>
              ) : (
                t("plan.ok")
              )}
            </Table.Td>
          </Table.Tr>
        ))}
      </WideTable>
    </Stack>
  );
}

function Columns({ columns }: { columns: Preview["columns"] }) {
  return (
    <Text size="sm">
      {Object.entries(columns).map(([title, meaning], index) => (
        <span key={title}>
          {index > 0 && ", "}
          <bdi>{title}</bdi> → <Code>{meaning}</Code>
        </span>
      ))}
    </Text>
  );
}

function sum(counts: Record<string, number>): number {
  return Object.values(counts).reduce((total, number) => total + number, 0);
}
