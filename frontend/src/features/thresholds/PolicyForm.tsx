import {
  Group,
  NumberInput,
  SegmentedControl,
  Select,
  SimpleGrid,
  Stack,
  Switch,
  Text,
} from "@mantine/core";
import { useId } from "@mantine/hooks";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../../shared/api/client";
import { dateTime } from "../../shared/lib/format";
import type { Draft, Policy } from "./figures";
import { RateSlider } from "./RateSlider";

export interface Editing {
  policy: Policy;
  /** Undefined for those who may only look. */
  change: (draft: Draft) => void;
  mayChange: boolean;
}

/** How people are enrolled, looked up and reviewed, each with what follows from it. */
export function PolicyForm({ policy, change, mayChange }: Editing) {
  const { t } = useTranslation("thresholds");
  const disabled = !mayChange;
  const days = policy.keep_probe_days ?? 0;
  const quality = policy.min_probe_quality ?? 0;

  return (
    <SimpleGrid cols={{ base: 1, md: 2 }} spacing="xl" verticalSpacing="md">
      <RateSlider
        label={t("verify_fmr.label")}
        consequence={(n) => t("verify_fmr.means", { n })}
        value={policy.verify_fmr ?? 0.001}
        disabled={disabled}
        onChange={(verify_fmr) => change({ verify_fmr })}
      />
      <Figure
        label={t("margin.label")}
        means={t("margin.means", { n: policy.margin ?? 10 })}
        value={policy.margin ?? 10}
        min={1}
        max={1_000_000}
        disabled={disabled}
        onChange={(margin) => change({ margin })}
      />
      <Figure
        label={t("min_probe_quality.label")}
        means={
          quality > 0
            ? t("min_probe_quality.means", { quality })
            : t("min_probe_quality.means_none")
        }
        value={quality}
        min={0}
        max={1}
        step={0.05}
        disabled={disabled}
        onChange={(min_probe_quality) => change({ min_probe_quality })}
      />
      <Figure
        label={t("keep_probe_days.label")}
        means={
          days > 0 ? t("keep_probe_days.means", { count: days }) : t("keep_probe_days.means_none")
        }
        value={days}
        min={0}
        max={365}
        isWhole
        disabled={disabled}
        onChange={(keep_probe_days) => change({ keep_probe_days })}
      />
      <Choice
        label={t("doubtful.label")}
        means={t(`doubtful.means_${policy.doubtful ?? "answer"}`)}
        value={policy.doubtful ?? "answer"}
        choices={[
          { value: "answer", label: t("doubtful.answer") },
          { value: "queue", label: t("doubtful.queue") },
        ]}
        disabled={disabled}
        onChange={(doubtful) => change({ doubtful })}
      />
      <Choice
        label={t("duplicates.label")}
        means={t(`duplicates.means_${policy.duplicates ?? "review"}`)}
        value={policy.duplicates ?? "review"}
        choices={[
          { value: "review", label: t("duplicates.review") },
          { value: "block", label: t("duplicates.block") },
          { value: "allow", label: t("duplicates.allow") },
        ]}
        disabled={disabled}
        onChange={(duplicates) => change({ duplicates })}
      />
      <Choice
        label={t("misfits.label")}
        means={t(`misfits.means_${policy.misfits ?? "review"}`)}
        value={policy.misfits ?? "review"}
        choices={[
          { value: "review", label: t("misfits.review") },
          { value: "allow", label: t("misfits.allow") },
        ]}
        disabled={disabled}
        onChange={(misfits) => change({ misfits })}
      />
      <Choice
        label={t("reviewers.label")}
        means={t(policy.reviewers === 2 ? "reviewers.means_2" : "reviewers.means_1")}
        value={policy.reviewers === 2 ? "2" : "1"}
        choices={[
          { value: "1", label: "1" },
          { value: "2", label: "2" },
        ]}
        disabled={disabled}
        onChange={(reviewers) => change({ reviewers: Number(reviewers) })}
      />
      {(["requires_reason", "person_confirms", "requires_document"] as const).map((name) => (
        <Setting key={name} means={t(`${name}.${policy[name] ? "means_on" : "means_off"}`)}>
          {(described) => (
            <Switch
              label={t(`${name}.label`)}
              aria-describedby={described}
              checked={policy[name] ?? false}
              disabled={disabled}
              onChange={(event) => change({ [name]: event.currentTarget.checked })}
            />
          )}
        </Setting>
      ))}
    </SimpleGrid>
  );
}

/** Which calibration the thresholds follow. */
export function CalibrationChoice({
  policy,
  change,
  mayChange,
  model,
}: Editing & { model: string | undefined }) {
  const { t } = useTranslation("thresholds");
  const { data } = api.useQuery("get", "/api/v1/calibrations", {
    params: { query: { page_size: 200 } },
  });
  const known = (data?.results ?? []).filter((each) => each.model === model);
  return (
    <Select
      label={t("calibration.label")}
      description={t("calibration.about")}
      maw={560}
      allowDeselect={false}
      disabled={!mayChange}
      value={policy.calibration ?? ""}
      onChange={(id) => change({ calibration: id || null })}
      data={[
        { value: "", label: t("calibration.newest") },
        ...known.map((each) => ({
          value: each.id,
          label: t(each.gallery ? "calibration.own" : "calibration.of_model", {
            version: each.version,
            people: each.people,
            at: dateTime(each.created_at),
          }),
        })),
      ]}
    />
  );
}

/** A setting and, below it, what follows from how it is set. */
function Setting(props: { means: string; children: (described: string) => ReactNode }) {
  const id = useId();
  return (
    <Stack gap={4}>
      {props.children(id)}
      <Text size="xs" id={id}>
        {props.means}
      </Text>
    </Stack>
  );
}

function Figure(props: {
  label: string;
  means: string;
  value: number;
  min: number;
  max: number;
  step?: number;
  isWhole?: boolean;
  disabled: boolean;
  onChange: (value: number) => void;
}) {
  return (
    <Setting means={props.means}>
      {(described) => (
        <NumberInput
          label={props.label}
          aria-describedby={described}
          maw={220}
          value={props.value}
          min={props.min}
          max={props.max}
          step={props.step ?? 1}
          allowDecimal={!props.isWhole}
          clampBehavior="blur"
          disabled={props.disabled}
          onChange={(value) => typeof value === "number" && props.onChange(value)}
        />
      )}
    </Setting>
  );
}

function Choice<Value extends string>(props: {
  label: string;
  means: string;
  value: Value;
  choices: { value: Value; label: string }[];
  disabled: boolean;
  onChange: (value: Value) => void;
}) {
  const id = useId();
  return (
    <Setting means={props.means}>
      {(described) => (
        <Stack gap={4} align="flex-start">
          <Text size="sm" fw={500} id={id}>
            {props.label}
          </Text>
          <Group>
            <SegmentedControl
              aria-labelledby={id}
              aria-describedby={described}
              data={props.choices}
              value={props.value}
              disabled={props.disabled}
              onChange={(value) => props.onChange(value as Value)}
            />
          </Group>
        </Stack>
      )}
    </Setting>
  );
}
