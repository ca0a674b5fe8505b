import "./texts";
import { Group, Stack, Text } from "@mantine/core";
import { useParams } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { api, type Schemas } from "../../shared/api/client";
import { count, dateTime, score } from "../../shared/lib/format";
import { AnchorLink } from "../../shared/ui/links";
import { ErrorState, Loading, Page } from "../../shared/ui/states";
import { useHere } from "../session/session";
import { StrangerRate } from "./CandidateCard";
import { Figures, limitRows } from "./Details";
import classes from "./lookup.module.css";
import { Verdict } from "./Verdict";
import { margins } from "./words";

type Detail = Schemas["SearchDetail"];

/** A lookup as it was decided then, and what people made of it since. */
export function PastLookupPage() {
  const { t } = useTranslation("lookup");
  const { search: id } = useParams({ strict: false });
  const search = api.useQuery("get", "/api/v1/searches/{id}", {
    params: { path: { id: id ?? "" } },
  });
  return (
    <Page
      title={
        search.data
          ? t("past.title", { when: dateTime(search.data.created_at) })
          : t("history.title")
      }
      actions={
        <AnchorLink to="/lookups" size="sm">
          {t("history.link")}
        </AnchorLink>
      }
    >
      {search.isPending && <Loading />}
      {search.isError && <ErrorState error={search.error} retry={search.refetch} />}
      {search.data && <Shown search={search.data} />}
    </Page>
  );
}

function Shown({ search }: { search: Detail }) {
  const { t } = useTranslation("lookup");
  const { user, session } = useHere();
  const galleries = search.galleries.map(
    (id) => session.galleries.find((each) => each.id === id)?.name ?? t("past.gone"),
  );
  const rows: [string, string][] = [
    [t("past.who"), search.actor === `user:${user.id}` ? t("past.me") : t("past.somebody")],
    ...(search.reason ? [[t("history.why"), search.reason] as [string, string]] : []),
    [t("past.galleries"), galleries.join(", ")],
    [t("details.searched"), count(search.searched)],
    ...(search.among === null || search.among === undefined
      ? []
      : [[t("past.among"), count(search.among)] as [string, string]]),
    ...limitRows(search.thresholds, t),
    [t("details.model"), search.model],
  ];
  return (
    <>
      <Figures rows={rows} />
      <AnchorLink to="/lookups" search={{ probe: search.probe }} size="sm">
        {t("past.same_photo")}
      </AnchorLink>
      {search.faces.length === 0 && <Text>{t("past.no_face")}</Text>}
      {search.faces.map((face, number) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: faces have no other name
        <PastFace key={number} search={search} face={face} number={number} />
      ))}
    </>
  );
}

function PastFace(props: { search: Detail; face: Schemas["SearchedFace"]; number: number }) {
  const { t } = useTranslation(["lookup", "common"]);
  const { search, face, number } = props;
  const best = personOf(search, face.candidates[0]?.person);
  const said = search.reviews.find((review) => review.face === number);
  const who = personOf(search, said?.person ?? undefined);
  return (
    <section aria-label={t("common:face_n", { number: number + 1 })}>
      <Stack gap="xs">
        <Group align="flex-start" wrap="nowrap">
          {search.kept.includes(number) ? (
            <img
              src={`/api/v1/searches/${search.id}/faces/${number}/image`}
              alt={t("common:face_n", { number: number + 1 })}
              className={classes.keptFace}
            />
          ) : (
            <Text size="xs" className={classes.notKept}>
              {t("past.not_kept")}
            </Text>
          )}
          <Stack gap={6} flex={1}>
            <Verdict
              decision={face.decision}
              title={
                face.decision === "match" || face.decision === "review" ? (
                  <>
                    {face.decision === "review" && `${t("decided.review")} `}
                    <bdi>{best?.name || best?.external_id || t("past.gone_person")}</bdi>
                  </>
                ) : (
                  t(`decided.${face.decision ?? "none"}`)
                )
              }
            />
            {said !== undefined && (
              <Text size="sm">
                {said.state === "decided"
                  ? t(`outcome.${said.verdict || "unsure"}`, {
                      name: `\u2068${who?.name || who?.external_id || t("past.gone_person")}\u2069`,
                    })
                  : t(`outcome.${said.state}`)}{" "}
                <AnchorLink to="/reviews" search={{ review: said.id }} size="sm">
                  {t("act.show_review")}
                </AnchorLink>
              </Text>
            )}
          </Stack>
        </Group>
        {face.candidates.length === 0 ? (
          <Text size="sm">{t("past.no_candidates")}</Text>
        ) : (
          <details
            className={classes.more}
            open={face.decision !== "no_match" && face.decision !== "poor_quality"}
          >
            <summary>{t("past.candidates", { count: face.candidates.length })}</summary>
            <PastCandidates search={search} candidates={face.candidates} />
          </details>
        )}
      </Stack>
    </section>
  );
}

function personOf(search: Detail, id: string | undefined) {
  return search.people.find((each) => each.id === id);
}

function PastCandidates(props: { search: Detail; candidates: Schemas["SearchedCandidate"][] }) {
  const { t } = useTranslation(["lookup", "common"]);
  const gaps = margins(props.candidates);
  return (
    <ol className={classes.past}>
      {props.candidates.map((candidate, place) => {
        const person = personOf(props.search, candidate.person);
        const gap = gaps[place] ?? null;
        return (
          <li key={candidate.person} className={classes.candidate}>
            {person !== undefined && <Portrait person={person.id} />}
            <div className={classes.words}>
              {person === undefined ? (
                <Text size="sm">{t("past.gone_person")}</Text>
              ) : (
                <AnchorLink to="/people/$person" params={{ person: person.id }} fw={600}>
                  <bdi>{person.name || person.external_id || t("common:unnamed")}</bdi>
                </AnchorLink>
              )}
              <Text size="sm">
                {t("card.score")} <strong>{score(candidate.score)}</strong>
              </Text>
              <StrangerRate rate={candidate.stranger_rate} />
              {gap !== null && gap >= 1.05 && (
                <Text size="sm">{t("card.gap", { times: Math.round(gap * 10) / 10 })}</Text>
              )}
            </div>
          </li>
        );
      })}
    </ol>
  );
}

/** One of a person's enrolled faces: the log doesn't say which was the most alike. */
function Portrait({ person }: { person: string }) {
  const faces = api.useQuery("get", "/api/v1/faces", { params: { query: { person } } });
  const face = faces.data?.results.find(({ enrolled }) => enrolled);
  if (face === undefined) return null;
  return <img src={`/api/v1/faces/${face.id}/image`} alt="" className={classes.portrait} />;
}
