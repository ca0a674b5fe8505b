import { Alert, Group, NumberInput, Stack, Switch } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import type { Outlook } from "./figures";
import type { Editing } from "./PolicyForm";

/** Scores set by hand in the targets' place, and why that is seldom wise. */
export function Override({
  policy,
  change,
  mayChange,
  now,
}: Editing & { now: Outlook | undefined }) {
  const { t } = useTranslation("thresholds");
  const isOn = (policy.match_score ?? null) !== null || (policy.review_score ?? null) !== null;
  const set = (checked: boolean) =>
    change({
      match_score: checked ? start(now?.match, 0.6) : null,
      review_score: checked ? start(now?.review, 0.5) : null,
    });
  return (
    <Stack gap="sm">
      <Switch
        label={t("override.label")}
        checked={isOn}
        disabled={!mayChange}
        onChange={(event) => set(event.currentTarget.checked)}
      />
      {isOn && (
        <>
          <Alert
            color="orange"
            icon={<IconAlertTriangle aria-hidden />}
            title={t("override.title")}
          >
            {t("override.warning")}
            {policy.override_reason && (
              <p>{t("override.reason", { why: policy.override_reason })}</p>
            )}
          </Alert>
          <Group>
            {(["match_score", "review_score"] as const).map((name) => (
              <NumberInput
                key={name}
                label={t(`override.${name}`)}
                value={policy[name] ?? ""}
                min={-1}
                max={1}
                step={0.005}
                decimalScale={4}
                disabled={!mayChange}
                onChange={(value) => change({ [name]: typeof value === "number" ? value : null })}
              />
            ))}
          </Group>
        </>
      )}
    </Stack>
  );
}

/** Where the targets have it now, so that nothing moves yet; nobody scores above 1 anyway. */
function start(threshold: number | undefined, otherwise: number): number {
  return threshold === undefined ? otherwise : Number(Math.min(threshold, 1).toFixed(4));
}
