import "./texts";
import { Button, Group, NativeSelect, Table, Text, TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { IconHistory } from "@tabler/icons-react";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { api, type Schemas } from "../../shared/api/client";
import { BY_CURSOR } from "../../shared/api/cursor";
import { count, dateTime } from "../../shared/lib/format";
import { DECISIONS, type Decision, DecisionBadge } from "../../shared/ui/badges";
import { AnchorLink } from "../../shared/ui/links";
import { Empty, ErrorState, Loading, Page } from "../../shared/ui/states";
import { useHere, useMay } from "../session/session";
import classes from "./lookup.module.css";

type Search = Schemas["Search"];

/** One's own lookups in this gallery, the newest first; a reviewer's may be everybody's. */
export function HistoryPage() {
  const { t } = useTranslation(["lookup", "common"]);
  const { gallery } = useHere();
  const mayAll = useMay("reviewer");
  const filters = useSearch({ strict: false }) as Record<string, string | undefined>;
  const navigate = useNavigate();
  const set = (change: Record<string, string>) =>
    void navigate({
      to: "/lookups",
      search: Object.fromEntries(
        Object.entries({ ...filters, ...change }).filter(
          ([, value]) => value !== "" && value !== undefined,
        ),
      ) as Record<string, string>,
      replace: true,
    });
  const decision = decisionOf(filters.decision);
  const { reason, probe } = filters;
  const isAll = mayAll && filters.whose === "all";
  const searches = api.useInfiniteQuery(
    "get",
    "/api/v1/searches",
    {
      params: {
        query: {
          gallery: gallery.id,
          ...(isAll ? {} : { mine: true }),
          ...(decision ? { decision } : {}),
          ...(reason ? { reason } : {}),
          ...(probe ? { probe } : {}),
        },
      },
    },
    {
      pageParamName: "cursor",
      ...BY_CURSOR,
    },
  );
  const rows = searches.data?.pages.flatMap((page) => page.results) ?? [];
  const isFiltered = Boolean(decision || reason || probe);
  const setReason = useDebouncedCallback((value: string) => set({ reason: value }), 300);

  return (
    <Page
      title={t("history.title")}
      actions={
        <AnchorLink to="/" size="sm">
          {t("common:nav.lookup")}
        </AnchorLink>
      }
    >
      <Group gap="sm" align="flex-end">
        {mayAll && (
          <NativeSelect
            size="xs"
            label={t("history.whose")}
            value={isAll ? "all" : "mine"}
            onChange={(event) => set({ whose: event.currentTarget.value === "all" ? "all" : "" })}
            data={[
              { value: "mine", label: t("history.mine") },
              { value: "all", label: t("history.all") },
            ]}
          />
        )}
        <NativeSelect
          size="xs"
          label={t("history.decision")}
          value={decision ?? ""}
          onChange={(event) => set({ decision: event.currentTarget.value })}
          data={[
            { value: "", label: t("history.any") },
            ...DECIDED.map((each) => ({ value: each, label: t(`common:decision.${each}`) })),
          ]}
        />
        <TextInput
          size="xs"
          label={t("history.reason")}
          defaultValue={reason ?? ""}
          maxLength={300}
          onChange={(event) => setReason(event.currentTarget.value)}
        />
      </Group>
      {probe !== undefined && (
        <Group gap="xs">
          <Text size="sm">{t("history.same_photo")}</Text>
          <Button size="compact-xs" variant="light" onClick={() => set({ probe: "" })}>
            {t("history.show_all")}
          </Button>
        </Group>
      )}
      {searches.isPending ? (
        <Loading />
      ) : searches.isError ? (
        <ErrorState error={searches.error} retry={searches.refetch} />
      ) : rows.length === 0 ? (
        <Empty
          icon={<IconHistory size={40} aria-hidden />}
          title={isFiltered ? t("history.none_so") : t("history.empty")}
        >
          <Text size="sm">{isFiltered ? t("history.none_so_text") : t("history.empty_text")}</Text>
          <AnchorLink to="/">{t("history.start")}</AnchorLink>
        </Empty>
      ) : (
        <>
          <Rows rows={rows} />
          {searches.hasNextPage && (
            <Button
              variant="default"
              loading={searches.isFetchingNextPage}
              onClick={() => void searches.fetchNextPage()}
            >
              {t("common:action.more")}
            </Button>
          )}
        </>
      )}
    </Page>
  );
}

const DECIDED = Object.keys(DECISIONS) as Decision[];

function decisionOf(value: string | undefined): Decision | undefined {
  return DECIDED.find((each) => each === value);
}

function Rows({ rows }: { rows: Search[] }) {
  const { t } = useTranslation(["lookup", "common"]);
  return (
    <div className={classes.scroll}>
      <Table verticalSpacing={6} striped>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{t("history.when")}</Table.Th>
            <Table.Th>{t("history.decision")}</Table.Th>
            <Table.Th>{t("history.found")}</Table.Th>
            <Table.Th>{t("history.why")}</Table.Th>
            <Table.Th ta="right">{t("history.searched")}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {rows.map((search) => (
            <Table.Tr key={search.id}>
              <Table.Td>
                <AnchorLink to="/lookups/$search" params={{ search: search.id }} size="sm">
                  {dateTime(search.created_at)}
                </AnchorLink>
              </Table.Td>
              <Table.Td>
                <Group gap={4}>
                  {search.faces.length === 0 && <Text size="sm">{t("history.no_face")}</Text>}
                  {search.faces.slice(0, 4).map((face, index) => (
                    // biome-ignore lint/suspicious/noArrayIndexKey: faces have no other name
                    <DecisionBadge key={index} decision={face.decision} size="sm" />
                  ))}
                  {search.faces.length > 4 && (
                    <Text size="sm">+{count(search.faces.length - 4)}</Text>
                  )}
                </Group>
              </Table.Td>
              <Table.Td>
                <Found search={search} />
              </Table.Td>
              <Table.Td className={classes.clip}>
                <bdi>{search.reason}</bdi>
              </Table.Td>
              <Table.Td ta="right">{count(search.searched)}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </div>
  );
}

/** The best candidate of each face that was decided to be, or maybe be, somebody. */
function Found({ search }: { search: Search }) {
  const { t } = useTranslation(["lookup", "common"]);
  const names = search.faces
    .filter(({ decision }) => decision === "match" || decision === "review")
    .map(({ candidates }) => {
      const person = search.people.find(({ id }) => id === candidates[0]?.person);
      return person
        ? person.name || person.external_id || t("common:unnamed")
        : t("past.gone_person");
    });
  return <bdi>{names.join(", ")}</bdi>;
}
