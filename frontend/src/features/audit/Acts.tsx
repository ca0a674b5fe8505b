import { Group, NativeSelect, Stack, Table, Text, VisuallyHidden } from "@mantine/core";
import { keepPreviousData } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api, type Schemas } from "../../shared/api/client";
import { BY_CURSOR } from "../../shared/api/cursor";
import { dateTime } from "../../shared/lib/format";
import { Empty, ErrorState, Loading } from "../../shared/ui/states";
import { WideTable } from "../../shared/ui/WideTable";
import { useHere } from "../session/session";
import { Expandable } from "./Expandable";
import en from "./en.json";
import { addressOf, dayBegins, dayEnds, filled, said } from "./filters";
import { Actor, Target } from "./names";
import { Actors, Days, Export, More, Words } from "./parts";
import { useFilters } from "./useFilters";

type Entry = Schemas["Audit"];
type Act = keyof (typeof en)["act"];
type Kind = keyof (typeof en)["kind"];

const ACTS = Object.keys(en.act) as Act[];
const KINDS = [...new Set(ACTS.map((each) => each.split("_of_")[0] as Kind))];

/** `person.erase` as the texts have it: a point would part the key. */
function keyOf(action: string): Act {
  return action.replace(".", "_of_") as Act;
}

/** Who did what: for administrators of the gallery, and of the site. */
export function Acts() {
  const { t } = useTranslation("audit");
  const { user, gallery } = useHere();
  const { filters, set } = useFilters();
  const isEverywhere = user.is_site_admin && filters.where === "everywhere";
  const query = filled({
    gallery: isEverywhere ? undefined : gallery.id,
    actor: filters.actor,
    action: filters.action,
    target: filters.target,
    since: dayBegins(filters.since),
    until: dayEnds(filters.until),
  });
  const found = api.useInfiniteQuery(
    "get",
    "/api/v1/audit",
    { params: { query } },
    { pageParamName: "cursor", ...BY_CURSOR, placeholderData: keepPreviousData },
  );
  const rows = found.data?.pages.flatMap((page) => page.results) ?? [];
  return (
    <Stack>
      <Group align="flex-end" gap="sm">
        {user.is_site_admin && (
          <NativeSelect
            size="xs"
            label={t("filter.where")}
            value={isEverywhere ? "everywhere" : ""}
            onChange={(event) => set({ where: event.currentTarget.value })}
            data={[
              { value: "", label: t("filter.this_gallery") },
              { value: "everywhere", label: t("filter.everywhere") },
            ]}
          />
        )}
        <Actors />
        <NativeSelect
          size="xs"
          label={t("filter.action")}
          value={filters.action ?? ""}
          onChange={(event) => set({ action: event.currentTarget.value })}
        >
          <option value="">{t("filter.any")}</option>
          {KINDS.map((kind) => (
            <optgroup key={kind} label={t(`kind.${kind}`)}>
              <option value={`${kind}.`}>{t("filter.all_of", { kind: t(`kind.${kind}`) })}</option>
              {ACTS.filter((act) => act.startsWith(`${kind}_of_`)).map((act) => (
                <option key={act} value={act.replace("_of_", ".")}>
                  {t(`act.${act}`)}
                </option>
              ))}
            </optgroup>
          ))}
        </NativeSelect>
        <Words name="target" max={80} />
        <Days />
        <Export address={addressOf("/api/v1/audit/export", query)} />
      </Group>
      {found.isPending && <Loading lines={8} />}
      {found.isError && <ErrorState error={found.error} retry={found.refetch} />}
      {found.data && rows.length === 0 && (
        <Empty title={t("acts.none")}>
          <Text size="sm">{t("none_text")}</Text>
        </Empty>
      )}
      {rows.length > 0 && (
        <WideTable
          label={t("tab.audit")}
          minWidth={700}
          head={
            <>
              <Table.Th w={40}>
                <VisuallyHidden>{t("details")}</VisuallyHidden>
              </Table.Th>
              <Table.Th>{t("at")}</Table.Th>
              <Table.Th>{t("actor")}</Table.Th>
              <Table.Th>{t("acts.act")}</Table.Th>
              <Table.Th>{t("acts.target")}</Table.Th>
            </>
          }
        >
          {rows.map((entry) => (
            <EntryRow key={entry.id} entry={entry} isEverywhere={isEverywhere} />
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

function EntryRow({ entry, isEverywhere }: { entry: Entry; isEverywhere: boolean }) {
  const { t, i18n } = useTranslation("audit");
  const { session } = useHere();
  const gallery = session.galleries.find((each) => each.id === entry.gallery)?.name;
  const key = keyOf(entry.action);
  const details = said(entry.details);
  return (
    <Expandable
      columns={4}
      cells={
        <>
          <Table.Td>{dateTime(entry.at)}</Table.Td>
          <Table.Td>
            <Actor actor={entry.actor} name={entry.actor_name} />
          </Table.Td>
          <Table.Td>
            {i18n.exists(`audit:act.${key}`) ? t(`act.${key}`) : entry.action}
            {isEverywhere && gallery && (
              <Text size="xs">
                <bdi>{gallery}</bdi>
              </Text>
            )}
          </Table.Td>
          <Table.Td>
            <Target target={entry.target} name={entry.target_name} />
          </Table.Td>
        </>
      }
    >
      <Table fz="xs" verticalSpacing={2} aria-label={t("details")} withRowBorders={false}>
        <Table.Tbody>
          {[[t("acts.code"), entry.action], [t("acts.id"), entry.target], ...details].map(
            ([name, value]) => (
              <Table.Tr key={name}>
                <Table.Th w={160}>{name}</Table.Th>
                <Table.Td>
                  <bdi>{value}</bdi>
                </Table.Td>
              </Table.Tr>
            ),
          )}
        </Table.Tbody>
      </Table>
    </Expandable>
  );
}
