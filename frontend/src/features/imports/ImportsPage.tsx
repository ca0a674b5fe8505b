import { Anchor, Button, Group, Select, Stack, Table, Text } from "@mantine/core";
import { IconPackageImport, IconPlus } from "@tabler/icons-react";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { api } from "../../shared/api/client";
import { BY_CURSOR } from "../../shared/api/cursor";
import { ago, count, dateTime, percent } from "../../shared/lib/format";
import { Empty, ErrorState, Forbidden, Loading, Page } from "../../shared/ui/states";
import { WideTable } from "../../shared/ui/WideTable";
import { useHere, useMay } from "../session/session";
import { JobBadge } from "./badges";
import { doneShare, JOB_COLORS, type Job, type JobState, pollingOf } from "./jobs";
import { ResultBar } from "./Results";
import { sourceText } from "./source";
import { useTexts } from "./texts";

const route = getRouteApi("/imports");

/** The gallery's imports, the newest first. */
export function ImportsPage() {
  const { t } = useTexts();
  const may = useMay("operator");
  if (!may) {
    return (
      <Page title={t("title")}>
        <Forbidden>{t("list.forbidden")}</Forbidden>
      </Page>
    );
  }
  return (
    <Page
      title={t("title")}
      actions={
        <Button
          component={Link}
          to="/imports/new"
          size="sm"
          leftSection={<IconPlus size={16} aria-hidden />}
        >
          {t("new")}
        </Button>
      }
    >
      <Jobs />
    </Page>
  );
}

function Jobs() {
  const { t } = useTexts();
  const { t: common } = useTranslation();
  const { gallery } = useHere();
  const { state: chosen } = route.useSearch();
  const navigate = route.useNavigate();
  const state = isJobState(chosen) ? chosen : undefined;
  const list = api.useInfiniteQuery(
    "get",
    "/api/v1/imports",
    { params: { query: { gallery: gallery.id, page_size: 25, ...(state && { state }) } } },
    {
      ...BY_CURSOR,
      refetchInterval: ({ state: { data } }) => {
        const jobs = data?.pages.flatMap((page) => page.results) ?? [];
        const isMoving = jobs.some((job) => pollingOf(job.state) === 1_000);
        return isMoving ? 3_000 : 15_000;
      },
    },
  );
  if (list.isError && !list.data) return <ErrorState error={list.error} retry={list.refetch} />;
  if (list.isPending) return <Loading />;
  const jobs = list.data.pages.flatMap((page) => page.results);
  if (jobs.length === 0 && state === undefined) return <NoJobs />;
  return (
    <Stack>
      <Select
        label={t("list.filter")}
        w={220}
        data={[
          { value: "", label: t("list.all") },
          ...JOB_STATES.map((value) => ({ value, label: t(`state.${value}`) })),
        ]}
        value={state ?? ""}
        allowDeselect={false}
        onChange={(value) => void navigate({ search: value ? { state: value } : {} })}
      />
      {list.isError && <ErrorState error={list.error} retry={list.refetch} />}
      {jobs.length === 0 ? <Text>{t("list.none_of_state")}</Text> : <JobTable jobs={jobs} />}
      {list.hasNextPage && (
        <Group justify="center">
          <Button
            variant="default"
            loading={list.isFetchingNextPage}
            onClick={() => void list.fetchNextPage()}
          >
            {common("action.more")}
          </Button>
        </Group>
      )}
    </Stack>
  );
}

const JOB_STATES = Object.keys(JOB_COLORS) as JobState[];

function isJobState(text: string | undefined): text is JobState {
  return text !== undefined && Object.hasOwn(JOB_COLORS, text);
}

function NoJobs() {
  const { t } = useTexts();
  return (
    <Empty icon={<IconPackageImport size={40} aria-hidden />} title={t("list.empty")}>
      <Text size="sm">{t("list.empty_text")}</Text>
      <Button component={Link} to="/imports/new">
        {t("new")}
      </Button>
    </Empty>
  );
}

function JobTable({ jobs }: { jobs: Job[] }) {
  const { t } = useTexts();
  return (
    <WideTable
      label={t("list.caption")}
      minWidth={560}
      head={
        <>
          <Table.Th>{t("list.made")}</Table.Th>
          <Table.Th>{t("list.from")}</Table.Th>
          <Table.Th>{t("list.state")}</Table.Th>
          <Table.Th w="30%">{t("list.progress")}</Table.Th>
          <Table.Th ta="right">{t("list.files")}</Table.Th>
        </>
      }
    >
      {jobs.map((job) => (
        <JobRow key={job.id} job={job} />
      ))}
    </WideTable>
  );
}

function JobRow({ job }: { job: Job }) {
  const { t } = useTexts();
  const at = dateTime(job.created_at);
  const made = ago(job.created_at); // once, so that what is read is what is seen
  return (
    <Table.Tr>
      <Table.Td>
        <Anchor
          size="sm"
          title={at}
          aria-label={`${made}: ${t("list.open", { at })}`}
          renderRoot={(props) => <Link to="/imports/$job" params={{ job: job.id }} {...props} />}
        >
          {made}
        </Anchor>
      </Table.Td>
      <Table.Td>
        <Text size="sm" style={{ overflowWrap: "anywhere" }}>
          {t(`source.${job.source.kind}` as "source.archive")} <bdi>{sourceText(job)}</bdi>
        </Text>
      </Table.Td>
      <Table.Td>
        <JobBadge state={job.state} />
      </Table.Td>
      <Table.Td>
        {job.progress.files > 0 && (
          <Group gap="xs" wrap="nowrap">
            <div style={{ flex: 1 }}>
              <ResultBar progress={job.progress} size="sm" />
            </div>
            <Text size="xs" w={44} ta="right">
              {percent(doneShare(job.progress), 0)}
            </Text>
          </Group>
        )}
      </Table.Td>
      <Table.Td ta="right">{count(job.progress.files || (job.plan?.files ?? 0))}</Table.Td>
    </Table.Tr>
  );
}
