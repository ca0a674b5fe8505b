import { Alert, Group, Loader, Stack, Text } from "@mantine/core";
import { getRouteApi } from "@tanstack/react-router";
import { api } from "../../shared/api/client";
import { dateTime } from "../../shared/lib/format";
import { ErrorState, Forbidden, Loading, Page } from "../../shared/ui/states";
import { useMay } from "../session/session";
import { JobBadge } from "./badges";
import { hasBadManifest, hasItems, type Job, pollingOf } from "./jobs";
import { Plan } from "./Plan";
import { Report } from "./Report";
import { Run } from "./Run";
import { Steps } from "./Steps";
import { sourceText } from "./source";
import { useTexts } from "./texts";
import { Uploading } from "./Uploading";

const route = getRouteApi("/imports/$job");

/** One import, from its upload to its report. */
export function ImportPage() {
  const { t } = useTexts();
  const may = useMay("operator");
  if (may) return <Known />;
  return (
    <Page title={t("title")}>
      <Forbidden>{t("list.forbidden")}</Forbidden>
    </Page>
  );
}

function Known() {
  const { t } = useTexts();
  const { job: id } = route.useParams();
  const found = api.useQuery(
    "get",
    "/api/v1/imports/{id}",
    { params: { path: { id } } },
    { refetchInterval: ({ state: { data } }) => pollingOf(data?.state) },
  );
  const job = found.data;
  return (
    <Page title={t("title")} actions={job && <Steps job={job} />}>
      {found.isError && <ErrorState error={found.error} retry={found.refetch} />}
      {found.isPending && <Loading />}
      {job && <Parts job={job} />}
    </Page>
  );
}

function Parts({ job }: { job: Job }) {
  const { t } = useTexts();
  const isBegun = hasItems(job) || (job.started_at !== null && job.started_at !== undefined);
  return (
    <Stack gap="lg">
      <Details job={job} />
      {job.state === "failed" && (
        <Alert color="red" title={t("run.failed_title")} role="alert">
          {job.text}
        </Alert>
      )}
      {(job.state === "uploading" || hasBadManifest(job)) && <Uploading job={job} />}
      {job.state === "planning" && (
        <Group role="status" wrap="nowrap">
          <Loader size="sm" aria-hidden />
          <Text size="sm">{t("planning")}</Text>
        </Group>
      )}
      {isBegun && <Run job={job} />}
      {!isBegun && job.plan && <Plan job={job} plan={job.plan} />}
      {isBegun && <Report job={job} />}
    </Stack>
  );
}

function Details({ job }: { job: Job }) {
  const { t } = useTexts();
  const separator = job.layout.separator;
  const parts = [
    t(`source.${job.source.kind}` as "source.archive"),
    sourceText(job),
    t(`layout.${job.layout.kind}` as "layout.names"),
    separator && t("details.separator", { separator }),
    job.several_faces && `${t("form.several")} ${t(`form.policy.${job.several_faces}`)}`,
    job.priority ? `${t("details.priority")} ${job.priority}` : "",
    t("details.made", { at: dateTime(job.created_at) }),
    job.finished_at && t("details.finished", { at: dateTime(job.finished_at) }),
  ].filter((part) => part);
  return (
    <Group gap="sm">
      <span role="status">
        <JobBadge state={job.state} size="lg" />
      </span>
      <Text size="sm" style={{ overflowWrap: "anywhere" }}>
        <bdi>{parts.join(" · ")}</bdi>
      </Text>
    </Group>
  );
}
