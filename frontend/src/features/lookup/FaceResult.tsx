import { Button, Stack, Text } from "@mantine/core";
import { IconUserPlus } from "@tabler/icons-react";
import { lazy, Suspense, useState } from "react";
import { useTranslation } from "react-i18next";
import type { Schemas } from "../../shared/api/client";
import { count } from "../../shared/lib/format";
import { useHere } from "../session/session";
import { Acts, useActs } from "./Acts";
import { CandidateCard } from "./CandidateCard";
import { Details, Quality } from "./Details";
import classes from "./lookup.module.css";
import type { Candidate, Entry, Identification, LookedUp, Lookups } from "./lookups";
import { Verdict } from "./Verdict";
import { doubt, isAtLeast, isKnown, margins, poorBecause, reaching } from "./words";

const Compare = lazy(() => import("./Compare").then((part) => ({ default: part.Compare })));
const Enrol = lazy(() => import("./Enrol").then((part) => ({ default: part.Enrol })));

/** What was decided of a face, who it may be, and what can be done about it. */
export function FaceResult(props: {
  lookups: Lookups;
  entry: Entry;
  answer: Identification;
  face: LookedUp;
}) {
  const { t } = useTranslation(["lookup", "common"]);
  const { entry, answer, face } = props;
  const { user, gallery, session } = useHere();
  const acts = useActs(props.lookups, entry, answer.search, face);
  const [compared, setCompared] = useState<Candidate | null>(null);
  const [isEnrolling, setEnrolling] = useState(false);

  const roleIn = (id: string) => session.galleries.find((each) => each.id === id)?.role;
  const may = (id: string, role: Schemas["Role"]) =>
    user.is_site_admin || isAtLeast(roleIn(id), role);
  const best = face.candidates[0];
  const mayDecide = best !== undefined && may(best.person.gallery, "reviewer");
  const mayAsk = best !== undefined && may(best.person.gallery, "operator");
  const isOpen = acts.outcome === null || acts.outcome.state === "open";
  const asksPerson = face.decision === "review" || acts.outcome !== null;
  const gaps = margins(face.candidates);
  const isSearchedApart = new Set(face.candidates.map(({ person }) => person.gallery)).size > 1;

  const card = (candidate: Candidate, place: number) => (
    <li key={candidate.person.id}>
      <CandidateCard
        candidate={candidate}
        gap={place === 0 ? face.margin : (gaps[place] ?? null)}
        galleryName={
          isSearchedApart
            ? session.galleries.find(({ id }) => id === candidate.person.gallery)?.name
            : undefined
        }
        probe={{ src: entry.url, photo: answer.photo, box: face.box }}
        compare={() => setCompared(candidate)}
      >
        {asksPerson && isOpen && mayDecide && (
          <Button
            size="xs"
            variant="light"
            color="green"
            loading={acts.isBusy}
            onClick={() => void acts.confirm(candidate.person.id)}
          >
            {t("act.confirm")}
          </Button>
        )}
      </CandidateCard>
    </li>
  );
  const cards = face.candidates.map(card);
  // Whom nothing speaks for isn't shown unless it is asked for.
  const isNobody = face.decision === "no_match" || face.decision === "poor_quality";
  const shown = isNobody ? 0 : Math.max(1, reaching(face.candidates, answer.thresholds));
  return (
    <Stack gap="sm">
      <Decided face={face} answer={answer} />
      <Acts
        acts={acts}
        candidates={face.candidates}
        mayUndo={mayDecide}
        noneOfThem={asksPerson && isOpen && mayDecide}
        ask={acts.outcome === null && mayAsk && face.decision !== null}
      >
        {may(gallery.id, "operator") && face.decision !== "match" && (
          <Button
            size="xs"
            variant={face.decision === "no_match" ? "filled" : "light"}
            leftSection={<IconUserPlus size={16} aria-hidden />}
            onClick={() => setEnrolling(true)}
          >
            {t("act.enrol")}
          </Button>
        )}
      </Acts>
      {shown > 0 && cards.length > 0 && <ol className={classes.cards}>{cards.slice(0, shown)}</ol>}
      {cards.length > shown && (
        <details className={classes.more}>
          <summary>{t(shown > 0 ? "others" : "nearest", { count: cards.length - shown })}</summary>
          <Text size="sm" mb="xs">
            {t(face.decision === "poor_quality" ? "nearest_poor" : "nearest_why")}
          </Text>
          <ol className={classes.cards}>{cards.slice(shown)}</ol>
        </details>
      )}
      <Details answer={answer} />
      <details className={classes.more}>
        <summary>{t("details.quality")}</summary>
        <Quality quality={face.quality} />
        {face.quality_problems.length > 0 && (
          <>
            <Text size="sm" fw={600} mt="xs">
              {t("details.not_enrolled")}
            </Text>
            {face.quality_problems.map(({ code, text }) => (
              <Text key={code} size="sm">
                {isKnown(code) ? t(`fault.${code}`) : text}
              </Text>
            ))}
          </>
        )}
      </details>
      <Suspense>
        {compared !== null && (
          <Compare
            probe={{ src: entry.url, photo: answer.photo, box: face.box }}
            candidate={compared}
            close={() => setCompared(null)}
          />
        )}
        {isEnrolling && <Enrol entry={entry} face={face} close={() => setEnrolling(false)} />}
      </Suspense>
    </Stack>
  );
}

/** The decision as a headline, and the sentence below it. */
function Decided({ face, answer }: { face: LookedUp; answer: Identification }) {
  const { t } = useTranslation(["lookup", "common"]);
  const best = face.candidates[0];
  const name = <bdi>{best?.person.name || best?.person.external_id || t("common:unnamed")}</bdi>;
  const number = count(answer.searched);
  switch (face.decision) {
    case "match":
      return <Verdict decision="match" title={name} />;
    case "review": {
      const why = doubt(face, answer.thresholds);
      return (
        <Verdict
          decision="review"
          title={
            <>
              {t("decided.review")} {name}
            </>
          }
        >
          {why !== null && <Text size="sm">{t(`doubt.${why}`)}</Text>}
          <Better face={face} />
        </Verdict>
      );
    }
    case "no_match":
      return (
        <Verdict decision="no_match" title={t("decided.no_match")}>
          <Text size="sm">{t("decided.no_match_text", { number })}</Text>
          <Better face={face} />
        </Verdict>
      );
    case "poor_quality":
      return (
        <Verdict decision="poor_quality" title={t("decided.poor_quality")}>
          {poorBecause(face).map((code) => (
            <Text key={code} size="sm">
              {isKnown(code)
                ? t(`fault.${code}`)
                : face.quality_problems.find((each) => each.code === code)?.text}
            </Text>
          ))}
        </Verdict>
      );
    default:
      return (
        <Verdict decision={null} title={t("decided.none")}>
          <Text size="sm">{t("decided.none_text")}</Text>
        </Verdict>
      );
  }
}

/** Of a face that was decided on although its photo isn't good: that a better one may tell more. */
function Better({ face }: { face: LookedUp }) {
  const { t } = useTranslation("lookup");
  if (face.quality_problems.length === 0) return null;
  return (
    <Text size="sm" mt={4}>
      {t("better")}{" "}
      {face.quality_problems
        .map(({ code, text }) => (isKnown(code) ? t(`fault.${code}`) : text))
        .join(" ")}
    </Text>
  );
}
