import { Alert, Button, Group, Progress, Stack, Text, Title } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { api } from "../../shared/api/client";
import { ProblemError } from "../../shared/api/problems";
import { bytes, duration } from "../../shared/lib/format";
import { useSentence } from "../../shared/ui/states";
import { ArchiveDrop } from "./Drop";
import { awaitsManifest, hasBadManifest, type Job } from "./jobs";
import { type ChosenTable, TableChoice } from "./TableChoice";
import { useTexts } from "./texts";
import { FileChanged, type UploadState } from "./upload";
import {
  beginUpload,
  begunWith,
  isSameFile,
  pauseUpload,
  resumeUpload,
  sayAllSent,
  sendManifest,
  useUpload,
} from "./uploads";

/** What an import still waits for: its archive or list, and perhaps a table. */
export function Uploading({ job }: { job: Job }) {
  const queries = useQueryClient();
  const upload = useUpload(job.id);
  const step = upload?.step;
  // Whether the table is there only whoever has sent it knows; the server says so in the end.
  const [hasTable, setHasTable] = useState(false);
  useEffect(() => {
    if (step === "sent") void queries.invalidateQueries();
  }, [step, queries]);
  const isSent = ["archive", "urls"].includes(job.source.kind ?? "");
  return (
    <Stack gap="lg">
      {isSent && job.state === "uploading" && <ArchivePart job={job} upload={upload} />}
      {awaitsManifest(job) && (
        <TablePart
          job={job}
          isLast={!isSent || step === "sent" || job.state === "failed"}
          sent={() => setHasTable(true)}
          hasTable={hasTable}
        />
      )}
    </Stack>
  );
}

function ArchivePart({ job, upload }: { job: Job; upload: UploadState | null }) {
  const { t } = useTexts();
  const sentence = useSentence();
  if (upload === null || upload.error instanceof FileChanged) {
    return <ChooseAgain job={job} hasChanged={upload !== null} />;
  }
  const { sent, total, step, rate } = upload;
  const isBusy = step === "sending" || step === "waiting";
  return (
    <Stack gap="xs" component="section">
      <Title order={2} size="h4">
        {t("upload.title")}
      </Title>
      <Progress
        value={total === 0 ? 0 : (100 * sent) / total}
        size="lg"
        striped={isBusy}
        color={step === "failed" ? "red" : step === "waiting" ? "orange" : "petrol"}
        aria-label={t("upload.title")}
      />
      <Group justify="space-between" gap="xs">
        <Text size="sm">
          {t("upload.progress", { sent: bytes(sent), total: bytes(total) })}
          {rate !== null && rate > 0 && step === "sending" && (
            <>
              {" · "}
              {t("upload.left", { rate: bytes(rate), left: duration((total - sent) / rate) })}
            </>
          )}
        </Text>
        <Group gap="xs">
          {step === "waiting" && (
            <Button size="xs" variant="default" onClick={() => resumeUpload(job.id)}>
              {t("upload.now")}
            </Button>
          )}
          {isBusy && (
            <Button size="xs" variant="default" onClick={() => pauseUpload(job.id)}>
              {t("upload.pause")}
            </Button>
          )}
          {(step === "paused" || step === "failed") && (
            <Button size="xs" onClick={() => resumeUpload(job.id)}>
              {t("upload.resume")}
            </Button>
          )}
        </Group>
      </Group>
      <div aria-live="polite">
        {step === "failed" && <Alert color="red">{sentence(upload.error)}</Alert>}
        {step === "waiting" && <Alert color="orange">{t(waitingFor(upload.error))}</Alert>}
        {step === "sending" && <Text size="sm">{t("upload.sending")}</Text>}
        {step === "paused" && <Text size="sm">{t("upload.paused")}</Text>}
        {step === "sent" && <Text size="sm">{t("upload.all_sent")}</Text>}
      </div>
    </Stack>
  );
}

function waitingFor(error: unknown) {
  const hasEnded = error instanceof ProblemError && error.status === 401;
  return hasEnded ? "upload.ended" : "upload.waiting";
}

/** After a reload the browser has no file any more: the same one is asked for. */
function ChooseAgain({ job, hasChanged }: { job: Job; hasChanged: boolean }) {
  const { t } = useTexts();
  const allowed = api.useQuery("get", "/api/v1/imports/sources");
  const [another, setAnother] = useState(false);
  const begun = begunWith(job.id);
  const isBegun = job.uploaded !== undefined && job.uploaded > 0;

  const take = (file: File | null) => {
    if (file === null) return;
    const isSame = isSameFile(file, isBegun ? begun : null, job.uploaded ?? 0);
    setAnother(!isSame);
    if (isSame) beginUpload(job.id, file, { isWhole: true });
  };

  return (
    <Stack gap="xs" component="section">
      <Title order={2} size="h4">
        {isBegun ? t("upload.rest", { sent: bytes(job.uploaded ?? 0) }) : t("upload.nothing")}
      </Title>
      <Text size="sm">{t(isBegun ? "upload.rest_text" : "upload.nothing_text")}</Text>
      {begun !== null && (
        <Text size="sm" style={{ overflowWrap: "anywhere" }}>
          {t("upload.rest_known", { name: begun.name, size: bytes(begun.size) })}
        </Text>
      )}
      {hasChanged && <Alert color="orange">{t("upload.changed")}</Alert>}
      <ArchiveDrop
        file={null}
        most={allowed.data?.most_bytes ?? Number.POSITIVE_INFINITY}
        take={take}
      />
      {another && (
        <Alert color="red" role="alert">
          {begun === null
            ? t("upload.another_unknown")
            : t("upload.another", { name: begun.name, size: bytes(begun.size) })}
        </Alert>
      )}
    </Stack>
  );
}

function TablePart(props: { job: Job; isLast: boolean; hasTable: boolean; sent: () => void }) {
  const { t } = useTexts();
  const { job, isLast } = props;
  const queries = useQueryClient();
  const sentence = useSentence();
  const [table, setTable] = useState<ChosenTable | null>(null);
  const send = useMutation({
    mutationFn: async () => {
      if (table === null) return;
      await sendManifest(job.id, table.blob);
      props.sent();
      if (isLast) await sayAllSent(job.id);
    },
    onSuccess: () => queries.invalidateQueries(),
  });
  return (
    <Stack gap="xs" component="section" maw={640}>
      <Title order={2} size="h4">
        {t("upload.table")}
      </Title>
      <Text size="sm">{t(hasBadManifest(job) ? "upload.table_again" : "upload.table_text")}</Text>
      <TableChoice take={setTable} />
      {send.isError && (
        <Alert color="red" role="alert">
          {sentence(send.error)}
        </Alert>
      )}
      <Group>
        <Button
          size="xs"
          disabled={!table?.isComplete}
          loading={send.isPending}
          onClick={() => send.mutate()}
        >
          {t("upload.send_table")}
        </Button>
        {props.hasTable && <Text size="sm">{t("upload.table_sent")}</Text>}
      </Group>
    </Stack>
  );
}
