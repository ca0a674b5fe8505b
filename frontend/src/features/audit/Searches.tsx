import { Code, Group, NativeSelect, Stack, Table, Text, VisuallyHidden } from "@mantine/core";
import { keepPreviousData } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api, type Schemas } from "../../shared/api/client";
import { BY_CURSOR } from "../../shared/api/cursor";
import { count, dateTime, oneIn, score } from "../../shared/lib/format";
import { DECISIONS, type Decision, DecisionBadge } from "../../shared/ui/badges";
import { AnchorLink } from "../../shared/ui/links";
import { Empty, ErrorState, Loading } from "../../shared/ui/states";
import { WideTable } from "../../shared/ui/WideTable";
import { useHere, useMay } from "../session/session";
import { Expandable } from "./Expandable";
import { addressOf, dayBegins, dayEnds, filled } from "./filters";
import { Actor } from "./names";
import { Actors, Days, Export, More, Words } from "./parts";
import { useFilters } from "./useFilters";

type Search = Schemas["Search"];

const DECIDED = Object.keys(DECISIONS) as Decision[];

/** Who looked for whom, why, and what it was told. */
export function Searches() {
  const { t } = useTranslation(["audit", "common"]);
  const { gallery } = useHere();
  const seesAll = useMay("reviewer");
  const { filters, set } = useFilters();
  const decision = DECIDED.find((each) => each === filters.decision);
  const query = filled({
    gallery: gallery.id,
    actor: filters.actor,
    reason: filters.reason,
    decision,
    after: dayBegins(filters.since),
    before: dayEnds(filters.until),
  });
  const found = api.useInfiniteQuery(
    "get",
    "/api/v1/searches",
    { params: { query } },
    { pageParamName: "cursor", ...BY_CURSOR, placeholderData: keepPreviousData },
  );
  const rows = found.data?.pages.flatMap((page) => page.results) ?? [];
  return (
    <Stack>
      <Group align="flex-end" gap="sm">
        {seesAll && <Actors />}
        <NativeSelect
          size="xs"
          label={t("filter.decision")}
          value={decision ?? ""}
          onChange={(event) => set({ decision: event.currentTarget.value })}
          data={[
            { value: "", label: t("filter.any") },
            ...DECIDED.map((value) => ({ value, label: t(`common:decision.${value}`) })),
          ]}
        />
        <Words name="reason" max={300} />
        <Days />
        <Export address={addressOf("/api/v1/searches/export", query)} />
      </Group>
      {!seesAll && <Text size="sm">{t("searches.own")}</Text>}
      {found.isPending && <Loading lines={8} />}
      {found.isError && <ErrorState error={found.error} retry={found.refetch} />}
      {found.data && rows.length === 0 && (
        <Empty title={t("searches.none")}>
          <Text size="sm">{t("none_text")}</Text>
        </Empty>
      )}
      {rows.length > 0 && (
        <WideTable
          label={t("tab.searches")}
          minWidth={760}
          head={
            <>
              <Table.Th w={40}>
                <VisuallyHidden>{t("details")}</VisuallyHidden>
              </Table.Th>
              <Table.Th>{t("at")}</Table.Th>
              <Table.Th>{t("actor")}</Table.Th>
              <Table.Th>{t("searches.decision")}</Table.Th>
              <Table.Th>{t("searches.reason")}</Table.Th>
              <Table.Th ta="right">{t("searches.searched")}</Table.Th>
            </>
          }
        >
          {rows.map((search) => (
            <Expandable
              key={search.id}
              columns={5}
              cells={
                <>
                  <Table.Td>
                    <AnchorLink to="/lookups/$search" params={{ search: search.id }} size="sm">
                      {dateTime(search.created_at)}
                    </AnchorLink>
                  </Table.Td>
                  <Table.Td>
                    <Actor actor={search.actor} name={search.actor_name} />
                  </Table.Td>
                  <Table.Td>
                    <Group gap={4}>
                      {search.faces.length === 0 && t("searches.no_face")}
                      {search.faces.slice(0, 4).map((face, index) => (
                        // biome-ignore lint/suspicious/noArrayIndexKey: faces have no other name
                        <DecisionBadge key={index} decision={face.decision} size="sm" />
                      ))}
                      {search.faces.length > 4 && `+${count(search.faces.length - 4)}`}
                    </Group>
                  </Table.Td>
                  <Table.Td>
                    <bdi>{search.reason}</bdi>
                  </Table.Td>
                  <Table.Td ta="right">{count(search.searched)}</Table.Td>
                </>
              }
            >
              <SearchDetails search={search} />
            </Expandable>
          ))}
        </WideTable>
      )}
      <More
        has={found.hasNextPage}
        isLoading={found.isFetchingNextPage}
        load={found.fetchNextPage}
      />
    </Stack>
  );
}

function SearchDetails({ search }: { search: Search }) {
  const { t } = useTranslation(["audit", "common"]);
  const { thresholds } = search;
  return (
    <Stack gap={6}>
      {thresholds && (
        <Text size="xs">
          {t("searches.thresholds", {
            match: score(thresholds.match),
            review: score(thresholds.review),
            tier: count(thresholds.tier),
          })}
        </Text>
      )}
      {search.among !== null && search.among !== undefined && (
        <Text size="xs">{t("searches.among", { n: count(search.among) })}</Text>
      )}
      {search.faces.map((face, number) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: faces have no other name
        <div key={number}>
          <Text size="xs" fw={600}>
            {t("common:face_n", { number: number + 1 })}
          </Text>
          {face.candidates.length === 0 && <Text size="xs">{t("searches.nobody")}</Text>}
          {face.candidates.map((candidate) => (
            <Text size="xs" key={candidate.person}>
              <Candidate search={search} id={candidate.person} /> · {score(candidate.score)}
              {candidate.stranger_rate !== null &&
                ` · ${t("searches.stranger", { n: oneIn(candidate.stranger_rate) })}`}
            </Text>
          ))}
        </div>
      ))}
      <Text size="xs">
        {t("searches.model", { model: search.model })} · {t("searches.probe")}{" "}
        <Code>{search.probe.slice(0, 16)}…</Code>
      </Text>
    </Stack>
  );
}

/** Somebody by their name now; the log itself has only the id. */
function Candidate({ search, id }: { search: Search; id: string }) {
  const { t } = useTranslation(["audit", "common"]);
  const person = search.people.find((each) => each.id === id);
  if (person === undefined) return t("searches.gone");
  return (
    <AnchorLink to="/people/$person" params={{ person: id }} size="xs">
      <bdi>{person.name || person.external_id || t("common:unnamed")}</bdi>
    </AnchorLink>
  );
}
