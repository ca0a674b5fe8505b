import { Anchor, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import { api, type Schemas } from "../../shared/api/client";
import { BY_CURSOR } from "../../shared/api/cursor";
import { bytes, count } from "../../shared/lib/format";
import { ErrorState, Loading } from "../../shared/ui/states";
import { ResultBadge } from "./badges";
import classes from "./Items.module.css";
import { type ItemState, type Job, pollingOf } from "./jobs";
import { useCodeLabel, useTexts } from "./texts";

type Item = Schemas["ImportItem"];

export interface ItemFilter {
  state?: ItemState | undefined;
  code?: string | undefined;
  q?: string | undefined;
}

const PAGE = 100;
const ROW = 44;

/** The files of an import, however many: pages come as one scrolls, rows as they are seen. */
export function Items({ job, filter }: { job: Job; filter: ItemFilter }) {
  const { t } = useTexts();
  const { state, code, q } = filter;
  const list = api.useInfiniteQuery(
    "get",
    "/api/v1/imports/{id}/items",
    {
      params: {
        path: { id: job.id },
        query: { page_size: PAGE, ...(state && { state }), ...(code && { code }), ...(q && { q }) },
      },
    },
    {
      ...BY_CURSOR,
      // All pages that were scrolled through are asked again: while it runs only the first ones.
      refetchInterval: ({ state: { data } }) =>
        pollingOf(job.state) === 1_000 && (data?.pages.length ?? 0) <= 2 && 5_000,
    },
  );
  if (list.isError && !list.data) return <ErrorState error={list.error} retry={list.refetch} />;
  if (list.isPending) return <Loading />;
  const items = list.data.pages.flatMap((page) => page.results);
  if (items.length === 0) return <Text size="sm">{t("report.empty")}</Text>;
  return (
    <>
      <Rows
        items={items}
        hasMore={list.hasNextPage}
        more={() => !list.isFetchingNextPage && void list.fetchNextPage()}
      />
      <Text size="xs" aria-live="polite">
        {t(list.hasNextPage ? "report.shown_more" : "report.shown", { count: items.length })}
      </Text>
    </>
  );
}

function Rows(props: { items: Item[]; hasMore: boolean; more: () => void }) {
  const { t } = useTexts();
  const frame = useRef<HTMLDivElement>(null);
  const { items, hasMore, more } = props;
  const rows = useVirtualizer({
    count: items.length,
    getScrollElement: () => frame.current,
    estimateSize: () => ROW,
    overscan: 12,
  });
  const shown = rows.getVirtualItems();
  const last = shown[shown.length - 1]?.index ?? 0;
  useEffect(() => {
    if (hasMore && last >= items.length - 20) more();
  });
  const above = shown[0]?.start ?? 0;
  const below = rows.getTotalSize() - (shown[shown.length - 1]?.end ?? 0);
  return (
    // It scrolls, and has to by the keyboard, too.
    <section
      ref={frame}
      className={classes.rows}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: see above
      tabIndex={0}
      aria-label={t("report.caption")}
    >
      <table className={classes.table} aria-rowcount={hasMore ? -1 : items.length + 1}>
        <Head />
        <tbody>
          {above > 0 && <tr aria-hidden style={{ height: above }} />}
          {shown.map(({ index, key }) => {
            const item = items[index];
            return (
              item && (
                <tr
                  key={key}
                  ref={rows.measureElement}
                  data-index={index}
                  aria-rowindex={index + 2}
                >
                  <Cells item={item} />
                </tr>
              )
            );
          })}
          {below > 0 && <tr aria-hidden style={{ height: below }} />}
        </tbody>
      </table>
    </section>
  );
}

function Head() {
  const { t } = useTexts();
  const titles = ["file", "person", "state", "why", "size"] as const;
  return (
    <thead>
      <tr aria-rowindex={1}>
        {titles.map((title) => (
          <th key={title} className={classes[title]}>
            {t(`report.${title}`)}
          </th>
        ))}
      </tr>
    </thead>
  );
}

function Cells({ item }: { item: Item }) {
  const { t } = useTexts();
  const { t: common } = useTranslation();
  const label = useCodeLabel();
  const who = item.person_name || item.external_id || "";
  return (
    <>
      <td>
        <bdi>{item.name}</bdi>
        {item.line && (
          <Text size="xs" component="span">
            {" "}
            ({t("report.line", { line: count(item.line) })})
          </Text>
        )}
      </td>
      <td>
        <Who item={item} name={who || common("unnamed")} />
      </td>
      <td>{item.state && <ResultBadge state={item.state} />}</td>
      <td>
        {item.code && (
          <>
            {label(item.code, item.text)}
            <Text size="xs">{item.text}</Text>
          </>
        )}
      </td>
      <td className={classes.size}>
        {item.size !== null && item.size !== undefined && bytes(item.size)}
      </td>
    </>
  );
}

function Who({ item, name }: { item: Item; name: string }) {
  const { t } = useTexts();
  const { person } = item;
  if (!person) return <bdi>{item.external_id}</bdi>;
  return (
    <Anchor
      size="sm"
      aria-label={t("report.open_person", { name })}
      renderRoot={(props) => <Link to="/people/$person" params={{ person }} {...props} />}
    >
      <bdi>{name}</bdi>
    </Anchor>
  );
}
