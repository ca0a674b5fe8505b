import { Alert, Button, List, Text, Tooltip } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { http } from "../../shared/api/client";
import { count } from "../../shared/lib/format";
import { Confirmed } from "../../shared/ui/confirm";
import { useSentence } from "../../shared/ui/states";
import { useMay } from "../session/session";
import { type Job, type Step, stepsOf } from "./jobs";
import { useTexts } from "./texts";
import { forgetUpload } from "./uploads";

const PATHS = {
  start: "/api/v1/imports/{id}/start",
  pause: "/api/v1/imports/{id}/pause",
  resume: "/api/v1/imports/{id}/resume",
  cancel: "/api/v1/imports/{id}/cancel",
  retry: "/api/v1/imports/{id}/retry",
  undo: "/api/v1/imports/{id}/undo",
} as const;

/** What can be done with an import now. */
export function Steps({ job }: { job: Job }) {
  const act = useStep(job);
  return stepsOf(job).map((step) => {
    if (step === "cancel") return <Cancel key={step} job={job} act={act.mutateAsync} />;
    if (step === "undo") return <Undo key={step} job={job} act={act.mutateAsync} />;
    return <Plain key={step} step={step} act={act} job={job} />;
  });
}

function useStep(job: Job) {
  const queries = useQueryClient();
  const sentence = useSentence();
  return useMutation({
    mutationFn: (step: Step) => http.POST(PATHS[step], { params: { path: { id: job.id } } }),
    onError: (error) => notifications.show({ color: "red", message: sentence(error) }),
    // Somebody else may have been faster: what is shown is right again either way.
    onSettled: () => queries.invalidateQueries(),
  });
}

function Plain({ step, act, job }: { step: Step; act: ReturnType<typeof useStep>; job: Job }) {
  const { t } = useTexts();
  const isMain = step === "start" || step === "resume";
  const isEmpty = step === "start" && job.plan?.photos === 0;
  return (
    <Button
      size="xs"
      variant={isMain ? "filled" : "default"}
      loading={act.isPending && act.variables === step}
      disabled={isEmpty}
      onClick={() => act.mutate(step)}
    >
      {t(`step.${step}`)}
    </Button>
  );
}

type Act = (step: Step) => Promise<unknown>;

function Cancel({ job, act }: { job: Job; act: Act }) {
  const { t } = useTexts();
  const { progress } = job;
  const left = progress.waiting + progress.working;
  const isBegun = job.started_at !== null && job.started_at !== undefined;
  const cancel = async () => {
    await act("cancel");
    forgetUpload(job.id);
  };
  return (
    <Confirmed label={t("step.cancel")} question={t("cancel.question")} act={cancel}>
      <Text size="sm">
        {isBegun
          ? t("cancel.text", { done: count(progress.files - left), left: count(left) })
          : t("cancel.text_before")}
      </Text>
    </Confirmed>
  );
}

/** Only administrators may; others see that, and why. */
function Undo({ job, act }: { job: Job; act: Act }) {
  const { t } = useTexts();
  const may = useMay("admin");
  const { enrolled, review, rejected, failed, duplicate } = job.progress;
  if (!may) {
    return (
      <Tooltip label={t("undo.role")}>
        <Button size="xs" variant="light" color="red" data-disabled aria-disabled>
          {t("step.undo")}
        </Button>
      </Tooltip>
    );
  }
  return (
    <Confirmed label={t("step.undo")} question={t("undo.question")} act={() => act("undo")}>
      <List size="sm" spacing="xs">
        <List.Item>
          {t("undo.goes", {
            enrolled: count(enrolled),
            review: count(review),
            rejected: count(rejected + failed),
          })}
        </List.Item>
        <List.Item>{t("undo.stays", { duplicate: count(duplicate) })}</List.Item>
      </List>
      <Alert color="orange">{t("undo.final")}</Alert>
    </Confirmed>
  );
}
