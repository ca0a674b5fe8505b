import { Group, Select, Stack, Tabs, Text } from "@mantine/core";
import { getRouteApi } from "@tanstack/react-router";
import { useMemo } from "react";
import { api, type Schemas } from "../../shared/api/client";
import { Forbidden, Page } from "../../shared/ui/states";
import { useHere, useMay } from "../session/session";
import { Decided } from "./Decided";
import type { Kind } from "./queue";
import { useTexts } from "./texts";
import type { Filters } from "./useQueue";
import { WorkOn } from "./Work";

const route = getRouteApi("/reviews");
const KINDS: Kind[] = ["search", "duplicate", "misfit"];

/** What the machine can't decide alone: a queue, worked from the keyboard. */
export function ReviewsPage() {
  const { t } = useTexts();
  const may = useMay("reviewer");
  return (
    <Page title={t("title")}>{may ? <Queue /> : <Forbidden>{t("forbidden")}</Forbidden>}</Page>
  );
}

function Queue() {
  const { t } = useTexts();
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const standing = useStanding();
  const kind = KINDS.find((each) => each === search.kind);
  const who = search.who === "mine" || search.who === "nobody" ? search.who : undefined;
  const isDecided = search.tab === "decided";
  const go = (change: Record<string, string | null>) => {
    const next = Object.entries({ ...search, ...change }).filter(([, value]) => value);
    void navigate({ search: Object.fromEntries(next) as Record<string, string> });
  };
  const filters: Filters = { kind, who };
  return (
    <Tabs
      value={isDecided ? "decided" : "queue"}
      onChange={(tab) => go({ tab: tab === "decided" ? tab : null })}
    >
      <Group justify="space-between" align="flex-end" mb="sm" gap="xs">
        <Tabs.List>
          <Tabs.Tab value="queue">{t("tab.queue")}</Tabs.Tab>
          <Tabs.Tab value="decided">{t("tab.decided")}</Tabs.Tab>
        </Tabs.List>
        <Standing standing={standing} />
        <Group gap="xs">
          <Select
            size="xs"
            w={150}
            aria-label={t("filter.kind")}
            data={[
              { value: "", label: t("filter.all") },
              ...KINDS.map((value) => ({
                value,
                label: kindLabel(t(`kind.${value}`), standing, value),
              })),
            ]}
            value={kind ?? ""}
            allowDeselect={false}
            onChange={(value) => go({ kind: value })}
          />
          {!isDecided && (
            <Select
              size="xs"
              w={190}
              aria-label={t("filter.who")}
              data={(["", "mine", "nobody"] as const).map((value) => ({
                value,
                label: t(`filter.${value || "anybody"}`),
              }))}
              value={who ?? ""}
              allowDeselect={false}
              onChange={(value) => go({ who: value })}
            />
          )}
        </Group>
      </Group>
      <Tabs.Panel value="queue">
        {!isDecided && (
          <WorkOn
            key={`${kind} ${who}`}
            filters={filters}
            others={Math.max(0, (standing?.open ?? 0) - (standing?.turn ?? 0))}
          />
        )}
      </Tabs.Panel>
      <Tabs.Panel value="decided">
        {isDecided && (
          <Stack>
            <Decided kind={kind} />
          </Stack>
        )}
      </Tabs.Panel>
    </Tabs>
  );
}

type StandingOf = Schemas["Standing"];

function kindLabel(label: string, standing: StandingOf | undefined, kind: Kind): string {
  const number = standing?.kinds[kind];
  return number ? `${label} (${number})` : label;
}

function useStanding(): StandingOf | undefined {
  const { gallery } = useHere();
  // The caller's own day, not the server's.
  const since = useMemo(() => new Date(new Date().setHours(0, 0, 0, 0)).toISOString(), []);
  const { data } = api.useQuery(
    "get",
    "/api/v1/reviews/standing",
    { params: { query: { gallery: gallery.id, since } } },
    { refetchInterval: 15_000 },
  );
  return data;
}

const STANDING = 340;

function Standing({ standing }: { standing: StandingOf | undefined }) {
  const { t } = useTexts();
  // Its place is kept: what is below doesn't jump when the numbers come.
  if (standing === undefined)
    return (
      <Text size="sm" miw={STANDING}>
        &nbsp;
      </Text>
    );
  const parts = [
    t("standing.turn", { count: standing.turn }),
    t("standing.open", { count: standing.open }),
    standing.mine > 0 && t("standing.mine", { count: standing.mine }),
    t("standing.decided", { count: standing.decided }),
    t("standing.said", { count: standing.said }),
  ].filter((part) => part);
  return (
    <Text size="sm" miw={STANDING} component="section" aria-label={t("standing.label")}>
      {parts.join(" · ")}
    </Text>
  );
}
