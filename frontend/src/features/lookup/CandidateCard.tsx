import { Group, Text } from "@mantine/core";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import type { Schemas } from "../../shared/api/client";
import { count, score } from "../../shared/lib/format";
import { AnchorLink } from "../../shared/ui/links";
import { FaceCrop } from "./FaceCrop";
import classes from "./lookup.module.css";
import type { Candidate } from "./lookups";
import { howOften } from "./words";

export interface Probe {
  src: string;
  photo: { width: number; height: number };
  box: Schemas["Box"];
}

/** Somebody it may be: both faces side by side, and how much speaks for it. */
export function CandidateCard(props: {
  candidate: Candidate;
  /** How many times likelier a stranger the next one is. */
  gap: number | null;
  galleryName: string | undefined;
  probe: Probe;
  compare: () => void;
  children: ReactNode;
}) {
  const { t } = useTranslation(["lookup", "common"]);
  const { candidate, probe } = props;
  const { person, evidence } = candidate;
  const name = person.name || person.external_id || t("common:unnamed");
  return (
    <article className={classes.candidate}>
      <button
        type="button"
        className={classes.pair}
        onClick={props.compare}
        title={t("compare.open", { name })}
      >
        <span>
          <FaceCrop {...probe} alt={t("compare.open", { name })} />
          <span className={classes.caption}>{t("compare.probe")}</span>
        </span>
        <span>
          {evidence === null ? (
            <span className={classes.evidence} />
          ) : (
            <img src={`/api/v1/faces/${evidence.face}/image`} alt="" className={classes.evidence} />
          )}
          <span className={classes.caption}>{t("compare.evidence")}</span>
        </span>
      </button>
      <div className={classes.words}>
        <AnchorLink to="/people/$person" params={{ person: person.id }} fw={600}>
          <bdi>{name}</bdi>
        </AnchorLink>
        {person.name !== "" && person.external_id !== "" && person.external_id !== person.name && (
          <Text size="sm">
            <bdi>{person.external_id}</bdi>
          </Text>
        )}
        {props.galleryName !== undefined && (
          <Text size="sm">
            {t("common:gallery.label")}: <bdi>{props.galleryName}</bdi>
          </Text>
        )}
        <Text size="sm">
          {t("card.score")} <strong>{score(candidate.score)}</strong>
        </Text>
        <StrangerRate rate={candidate.stranger_rate} />
        {props.gap !== null && props.gap >= 1.05 && (
          <Text size="sm">{t("card.gap", { times: times(props.gap) })}</Text>
        )}
        <Group gap="xs" mt={6}>
          {props.children}
        </Group>
      </div>
    </article>
  );
}

function times(value: number): string {
  return value < 10 ? String(Math.round(value * 10) / 10) : count(Number(value.toPrecision(2)));
}

/** How likely a stranger would score so high: never "how likely the match is wrong". */
export function StrangerRate({ rate }: { rate: number | null }) {
  const { t } = useTranslation("lookup");
  if (rate === null) return null;
  const { key, value } = howOften(rate);
  return <Text size="sm">{t(`stranger.${key}`, { value })}</Text>;
}
