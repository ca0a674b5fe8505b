import { useTranslation } from "react-i18next";
import type { Schemas } from "../../shared/api/client";
import { count, percent, score } from "../../shared/lib/format";
import classes from "./lookup.module.css";
import type { Identification } from "./lookups";

/** What the decisions follow from, for whoever wants to know. */
export function Details({ answer }: { answer: Identification }) {
  const { t } = useTranslation("lookup");
  const { thresholds: limits, timings_ms: times } = answer;
  const total = Object.values(times).reduce((sum, each) => sum + each, 0);
  const rows: [string, string][] = [
    [t("details.searched"), count(answer.searched)],
    ...limitRows(limits, t),
    [t("details.model"), answer.model],
    [t("details.time"), `${Math.round(times.total ?? total)} ms`],
  ];
  return (
    <details className={classes.more}>
      <summary>
        {t("details.title", { count: answer.searched, number: count(answer.searched) })}
      </summary>
      <Figures rows={rows} />
    </details>
  );
}

type T = ReturnType<typeof useTranslation<"lookup">>["t"];

/** Tier and thresholds in words. */
export function limitRows(limits: Schemas["Limits"] | null, t: T): [string, string][] {
  if (limits === null) return [[t("details.thresholds"), t("details.uncalibrated")]];
  return [
    [t("details.tier"), t("details.tier_value", { number: count(limits.tier) })],
    [t("details.match"), limits.match > 1 ? t("details.nobody") : score(limits.match)],
    [t("details.review"), limits.review > 1 ? t("details.nobody") : score(limits.review)],
    [t("details.margin"), t("details.times", { number: count(limits.margin) })],
    ...(limits.overridden
      ? [[t("details.thresholds"), t("details.overridden")] as [string, string]]
      : []),
  ];
}

export function Figures({ rows }: { rows: [string, string][] }) {
  return (
    <dl className={classes.figures}>
      {rows.map(([name, value]) => (
        <Row key={name} name={name} value={value} />
      ))}
    </dl>
  );
}

function Row({ name, value }: { name: string; value: string }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </>
  );
}

/** What was measured of a face's photo. */
export function Quality({ quality }: { quality: Record<string, number> }) {
  const { t } = useTranslation(["lookup", "common"]);
  const rows: [string, string][] = [];
  const add = (name: string, value: number | undefined, show: (value: number) => string) => {
    if (value !== undefined) rows.push([name, show(value)]);
  };
  const share = (value: number) => percent(value, 0);
  add(t("common:quality.quality"), quality.score, share);
  add(t("common:quality.focus"), quality.focus, share);
  add(t("common:quality.brightness"), quality.brightness, share);
  add(t("common:quality.contrast"), quality.contrast, share);
  add(t("common:quality.yaw"), quality.yaw, (value) => `${Math.round(Math.abs(value))}°`);
  add(t("common:quality.size"), quality.face_width, (value) => `${count(Math.round(value))} px`);
  return <Figures rows={rows} />;
}
