import { Alert, Button, Group, Paper, SimpleGrid, Stack, Text, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { notifications } from "@mantine/notifications";
import { keepPreviousData, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, http } from "../../shared/api/client";
import { addTexts } from "../../shared/i18n";
import { Section } from "../../shared/ui/Section";
import { ErrorState, Loading, Page, useSentence } from "../../shared/ui/states";
import { Unsaved } from "../../shared/ui/Unsaved";
import { useHere, useMay } from "../session/session";
import { Charts } from "./Charts";
import en from "./en.json";
import {
  changesOf,
  type Draft,
  movesThresholds,
  needsReason,
  type Outlook,
  type Policy,
} from "./figures";
import { Live } from "./Live";
import { Preview, Tiers } from "./Outlooks";
import { Override } from "./Override";
import { CalibrationChoice, PolicyForm } from "./PolicyForm";
import { RateSlider } from "./RateSlider";
import zh from "./zh.json";

addTexts("thresholds", { en, zh });

/** What a gallery asks of a match, what that means, and whether it holds. */
export function ThresholdsPage() {
  const { t } = useTranslation("thresholds");
  const { gallery } = useHere();
  const here = { params: { path: { id: gallery.id } } };
  const shown = api.useQuery("get", "/api/v1/galleries/{id}/thresholds", here);
  const plot = api.useQuery("get", "/api/v1/galleries/{id}/thresholds/curves", here);
  return (
    <Page title={t("title")}>
      {shown.isPending && <Loading lines={8} />}
      {shown.isError && <ErrorState error={shown.error} retry={shown.refetch} />}
      {shown.data && (
        <>
          <PolicyEditor
            policy={shown.data.policy}
            outlook={shown.data.outlook}
            tiers={shown.data.tiers}
            model={shown.data.calibration?.model}
          >
            {(outlook) => (
              <Section
                title={t("calibration.title")}
                about={
                  shown.data.calibration
                    ? t("calibration.source", { ...shown.data.calibration })
                    : t("calibration.none")
                }
              >
                {plot.isPending && <Loading lines={12} />}
                {plot.isError && <ErrorState error={plot.error} retry={plot.refetch} />}
                {plot.data && <Charts plot={plot.data} outlook={outlook} />}
              </Section>
            )}
          </PolicyEditor>
          <Live />
        </>
      )}
    </Page>
  );
}

function PolicyEditor(props: {
  policy: Policy;
  outlook: Outlook[];
  tiers: Outlook[];
  model: string | undefined;
  children: (outlook: Outlook[]) => React.ReactNode;
}) {
  const { t } = useTranslation("thresholds");
  const mayChange = useMay("admin");
  const sentence = useSentence();
  const [draft, setDraft] = useState<Draft>({});
  const changes = changesOf(props.policy, draft);
  const policy = { ...props.policy, ...changes };
  const preview = usePreview(changes, mayChange);
  const after = preview.data?.after ?? null;
  const outlook = after ?? props.outlook;
  const editing = {
    policy,
    mayChange,
    change: (more: Draft) => setDraft((before) => ({ ...before, ...more })),
  };
  const isByHand = (policy.match_score ?? null) !== null;

  return (
    <Stack gap="md">
      {!mayChange && <Alert color="blue">{t("only_admins")}</Alert>}
      <Section title={t("targets.title")} about={t("targets.about")}>
        {isByHand && <Alert color="orange">{t("targets.by_hand")}</Alert>}
        <SimpleGrid cols={{ base: 1, md: 2 }} spacing="xl">
          <div>
            <RateSlider
              label={t("targets.match")}
              consequence={(n) => t("targets.match_means", { n })}
              value={policy.match_fpir ?? 0.003}
              disabled={!mayChange || isByHand}
              onChange={(match_fpir) => editing.change({ match_fpir })}
            />
            <RateSlider
              label={t("targets.review")}
              consequence={(n) => t("targets.review_means", { n })}
              value={policy.review_fpir ?? 0.05}
              disabled={!mayChange || isByHand}
              onChange={(review_fpir) => editing.change({ review_fpir })}
            />
          </div>
          <div aria-live="polite">
            {preview.isError ? (
              <Alert color="red">{sentence(preview.error)}</Alert>
            ) : (
              <Preview before={props.outlook} after={after} />
            )}
          </div>
        </SimpleGrid>
        <CalibrationChoice {...editing} model={props.model} />
      </Section>
      {props.children(outlook)}
      <Section title={t("tiers")} about={t("tiers_about")}>
        <Tiers tiers={preview.data?.tiers ?? props.tiers} current={outlook[0]?.tier} />
      </Section>
      <Section title={t("policy.title")} about={t("policy.about")}>
        <PolicyForm {...editing} />
      </Section>
      <Section title={t("override.section")} about={t("override.about")}>
        <Override {...editing} now={props.outlook[0]} />
      </Section>
      {Object.keys(changes).length > 0 && (
        <>
          <Unsaved />
          <SaveBar changes={changes} discard={() => setDraft({})} />
        </>
      )}
    </Stack>
  );
}

/** What the changes would mean, once their slider rests. */
function usePreview(changes: Draft, mayChange: boolean) {
  const { gallery } = useHere();
  const isMoving = movesThresholds(changes);
  const [asked] = useDebouncedValue(changes, 250);
  const found = useQuery({
    queryKey: ["thresholds", "preview", gallery.id, asked],
    queryFn: async () => {
      // A preview is told no reason; scores set by hand want one all the same.
      const body = needsReason(asked) ? { ...asked, reason: "preview" } : asked;
      const { data } = await http.POST("/api/v1/galleries/{id}/thresholds/preview", {
        params: { path: { id: gallery.id } },
        body,
      });
      return data ?? null;
    },
    enabled: mayChange && movesThresholds(asked),
    placeholderData: keepPreviousData,
    retry: false,
  });
  return isMoving ? found : { ...found, data: null, isError: false };
}

function SaveBar({ changes, discard }: { changes: Draft; discard: () => void }) {
  const { t } = useTranslation(["thresholds", "common"]);
  const { gallery } = useHere();
  const sentence = useSentence();
  const queries = useQueryClient();
  const save = api.useMutation("patch", "/api/v1/galleries/{id}/thresholds");
  const [reason, setReason] = useState("");
  const mustSayWhy = needsReason(changes);

  const submit = () =>
    save.mutate(
      { params: { path: { id: gallery.id } }, body: { ...changes, reason } },
      {
        onSuccess: async () => {
          await queries.invalidateQueries();
          discard();
          notifications.show({ message: t("saved") });
        },
      },
    );

  return (
    <Paper
      withBorder
      shadow="md"
      p="sm"
      pos="sticky"
      bottom={8}
      style={{ zIndex: 10 }}
      component="section"
      aria-label={t("change.title")}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        {save.isError && (
          <Alert color="red" role="alert" mb="xs">
            {sentence(save.error)}
          </Alert>
        )}
        <Group align="flex-end" gap="sm">
          <Text size="sm" fw={600} pb={8}>
            {t("change.count", { count: Object.keys(changes).length })}
          </Text>
          <TextInput
            flex={1}
            miw={200}
            label={t("change.reason")}
            maxLength={500}
            required={mustSayWhy}
            value={reason}
            onChange={(event) => setReason(event.currentTarget.value)}
          />
          <Button variant="default" onClick={discard}>
            {t("change.discard")}
          </Button>
          <Button type="submit" loading={save.isPending}>
            {t("common:action.save")}
          </Button>
        </Group>
      </form>
    </Paper>
  );
}
