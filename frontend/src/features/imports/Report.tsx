import {
  Anchor,
  Button,
  Group,
  Select,
  Stack,
  Table,
  Text,
  TextInput,
  Title,
  Tooltip,
} from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconDownload, IconExternalLink, IconSearch } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { api, type Schemas } from "../../shared/api/client";
import { count } from "../../shared/lib/format";
import { ErrorState } from "../../shared/ui/states";
import { WideTable } from "../../shared/ui/WideTable";
import { ResultBadge } from "./badges";
import { Items } from "./Items";
import { type ItemState, type Job, pollingOf, RESULTS } from "./jobs";
import { useCodeLabel, useTexts } from "./texts";

const route = getRouteApi("/imports/$job");
type Code = Schemas["ImportCode"];

/** What became of each file: to look at, by result and reason, and to take away. */
export function Report({ job }: { job: Job }) {
  const { t } = useTexts();
  const label = useCodeLabel();
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const [words, setWords] = useState(search.q ?? "");
  const [asked] = useDebouncedValue(words.trim(), 300);
  const codes = api.useQuery(
    "get",
    "/api/v1/imports/{id}/codes",
    { params: { path: { id: job.id } } },
    { refetchInterval: pollingOf(job.state) === 1_000 && 5_000 },
  );
  useFreshAtEachState(job);
  const state = RESULTS.find((each) => each.state === search.state)?.state;
  const code = search.code || undefined;
  const filter = (next: { state?: string | undefined; code?: string | undefined }) =>
    void navigate({
      search: {
        ...(next.state && { state: next.state }),
        ...(next.code && { code: next.code }),
      },
      replace: true,
      resetScroll: false,
    });
  return (
    <Stack component="section">
      <Group justify="space-between">
        <Title order={2} size="h4">
          {t("report.title")}
        </Title>
        <Downloads job={job} />
      </Group>
      {codes.isError && <ErrorState error={codes.error} retry={codes.refetch} />}
      {codes.data && codes.data.length > 0 && (
        <Codes
          codes={codes.data}
          choose={(each) => filter({ state: each.state, code: each.code })}
        />
      )}
      <Group align="flex-end">
        <Select
          label={t("report.state")}
          w={180}
          data={[
            { value: "", label: t("report.all") },
            ...RESULTS.map(({ state: value }) => ({ value, label: t(`result.${value}`) })),
          ]}
          value={state ?? ""}
          allowDeselect={false}
          onChange={(value) => filter({ state: value ?? undefined })}
        />
        <Select
          label={t("report.reason")}
          w={240}
          data={[
            { value: "", label: t("report.all_reasons") },
            ...reasons(codes.data ?? [], code, label),
          ]}
          value={code ?? ""}
          allowDeselect={false}
          searchable
          onChange={(value) => filter({ state, code: value ?? undefined })}
        />
        <TextInput
          label={t("report.search")}
          leftSection={<IconSearch size={16} aria-hidden />}
          type="search"
          flex={1}
          miw={180}
          value={words}
          maxLength={300}
          onChange={(event) => setWords(event.currentTarget.value)}
        />
      </Group>
      <Items job={job} filter={{ state, code, q: asked || undefined }} />
    </Stack>
  );
}

/** When a job ends, or begins, its files are asked for once more: nothing else would. */
function useFreshAtEachState({ id, state }: Job) {
  const queries = useQueryClient();
  const known = useRef(state);
  useEffect(() => {
    if (known.current === state) return;
    known.current = state;
    void queries.invalidateQueries({
      predicate: ({ queryKey: [, path, init] }) =>
        ["/api/v1/imports/{id}/items", "/api/v1/imports/{id}/codes"].includes(String(path)) &&
        JSON.stringify(init).includes(id),
    });
  }, [id, state, queries]);
}

/** Each code once, though files may have it in two states. */
function reasons(codes: Code[], chosen: string | undefined, label: (code: string) => string) {
  const all = new Set([...codes.map((each) => each.code), ...(chosen ? [chosen] : [])]);
  return [...all].map((value) => ({ value, label: label(value) }));
}

function Downloads({ job }: { job: Job }) {
  const { t } = useTexts();
  const base = `/api/v1/imports/${job.id}`;
  return (
    <Group gap="xs">
      {(["csv", "xlsx"] as const).map((kind) => (
        <Button
          key={kind}
          component="a"
          href={`${base}/report?as=${kind}`}
          download
          size="xs"
          variant="default"
          leftSection={<IconDownload size={14} aria-hidden />}
        >
          {t(`report.${kind}`)}
        </Button>
      ))}
      <Tooltip label={t("report.sheet_hint")} multiline w={240}>
        <Button
          component="a"
          href={`${base}/sheet`}
          target="_blank"
          rel="noreferrer"
          size="xs"
          variant="default"
          leftSection={<IconExternalLink size={14} aria-hidden />}
        >
          {t("report.sheet")}
        </Button>
      </Tooltip>
    </Group>
  );
}

function Codes({ codes, choose }: { codes: Code[]; choose: (code: Code) => void }) {
  const { t } = useTexts();
  const label = useCodeLabel();
  return (
    <WideTable
      label={t("report.codes")}
      minWidth={480}
      head={
        <>
          <Table.Th w={130}>{t("report.state")}</Table.Th>
          <Table.Th w={90} ta="right">
            {t("run.count")}
          </Table.Th>
          <Table.Th>{t("report.codes")}</Table.Th>
        </>
      }
    >
      {codes.map((each) => (
        <Table.Tr key={`${each.state} ${each.code}`}>
          <Table.Td>
            <ResultBadge state={each.state as ItemState} />
          </Table.Td>
          <Table.Td ta="right">
            <Anchor
              component="button"
              type="button"
              size="sm"
              aria-label={t("report.show_code", { count: each.count })}
              onClick={() => choose(each)}
            >
              {count(each.count)}
            </Anchor>
          </Table.Td>
          <Table.Td>
            <Text size="sm">
              <b>{label(each.code, each.text)}</b> <bdi>{each.text}</bdi>
            </Text>
          </Table.Td>
        </Table.Tr>
      ))}
    </WideTable>
  );
}
