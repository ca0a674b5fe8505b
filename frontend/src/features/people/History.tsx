import { Button, Stack, Text } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { http, type Schemas } from "../../shared/api/client";
import { dateTime } from "../../shared/lib/format";
import { Section } from "../../shared/ui/Section";
import { ErrorState, Loading } from "../../shared/ui/states";
import { Actor } from "./Actor";
import { cursorOf } from "./pages";
import type { Person } from "./person";
import { useRoleIn } from "./roles";
import { TEXTS } from "./texts";

const SHOWN = 10;

/** What the audit log has of somebody. It is for administrators. */
export function History({ person }: { person: Person }) {
  const mayRead = useRoleIn(person.gallery)("admin");
  return mayRead ? <Entries person={person} /> : null;
}

function Entries({ person }: { person: Person }) {
  const { t, i18n } = useTranslation(TEXTS);
  const target = `person:${person.id}`;
  const query = useInfiniteQuery({
    queryKey: ["get", "/api/v1/audit", { target }],
    queryFn: async ({ pageParam, signal }) => {
      const { data } = await http.GET("/api/v1/audit", {
        params: {
          query: {
            target,
            page_size: SHOWN,
            ...(pageParam === undefined ? {} : { cursor: pageParam }),
          },
        },
        signal,
      });
      return data as Schemas["PaginatedAuditList"];
    },
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => cursorOf(page.next),
  });
  const entries = query.data?.pages.flatMap((page) => page.results) ?? [];
  const said = (action: string) => {
    const key = `act.${action.replaceAll(".", "_")}`;
    return i18n.exists(`people:${key}`) ? t(key as "act.person_create") : action;
  };
  return (
    <Section title={t("history.title")}>
      {query.isPending ? (
        <Loading lines={2} />
      ) : query.isError ? (
        <ErrorState error={query.error} retry={query.refetch} />
      ) : entries.length === 0 ? (
        <Text size="sm">{t("history.none")}</Text>
      ) : (
        <Stack gap={6}>
          {entries.map((entry) => (
            <div key={entry.id}>
              <Text size="sm">{said(entry.action)}</Text>
              <Text size="xs">
                {dateTime(entry.at)} ·{" "}
                {entry.actor_name ? <bdi>{entry.actor_name}</bdi> : <Actor actor={entry.actor} />}
              </Text>
            </div>
          ))}
          {query.hasNextPage && (
            <Button
              size="compact-xs"
              variant="subtle"
              loading={query.isFetchingNextPage}
              onClick={() => void query.fetchNextPage()}
            >
              {t("common:action.more")}
            </Button>
          )}
        </Stack>
      )}
    </Section>
  );
}
