import { AreaChart } from "@mantine/charts";
import { Alert, Badge, Code, Group, SimpleGrid, Stack, Table, Text } from "@mantine/core";
import { IconAlertTriangle, IconCircleCheck } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { api, type Schemas } from "../../shared/api/client";
import { ago, count, rate, score } from "../../shared/lib/format";
import { ChartFigure } from "../../shared/ui/ChartFigure";
import { Section } from "../../shared/ui/Section";
import { ErrorState, Loading } from "../../shared/ui/states";
import { WideTable } from "../../shared/ui/WideTable";
import { useHere, useMay } from "../session/session";

type Telemetry = Schemas["Telemetry"];

/** What searches of the last days say of the calibration, beside what it foretells. */
export function Live() {
  const { t } = useTranslation("thresholds");
  const { gallery } = useHere();
  const maySee = useMay("reviewer");
  const found = api.useQuery(
    "get",
    "/api/v1/galleries/{id}/telemetry",
    { params: { path: { id: gallery.id } } },
    { enabled: maySee },
  );
  return (
    <>
      <Section title={t("live.title")} about={t("live.about")}>
        {!maySee && <Text size="sm">{t("live.for_reviewers")}</Text>}
        {maySee && found.isPending && <Loading />}
        {found.isError && <ErrorState error={found.error} retry={found.refetch} />}
        {found.data && <Figures found={found.data} />}
      </Section>
      {found.data && <Models found={found.data} />}
    </>
  );
}

function Figures({ found }: { found: Telemetry }) {
  const { t } = useTranslation("thresholds");
  const { drift, fpir, totals } = found;
  return (
    <Stack gap="md">
      <Text size="sm">
        {found.counted_at
          ? t("live.counted", {
              searches: count(totals.searches),
              days: found.days,
              ago: ago(found.counted_at),
            })
          : t("live.none")}
      </Text>
      {found.alarm && (
        <Alert color="red" icon={<IconAlertTriangle aria-hidden />} title={t("live.alarm")}>
          <WithCommands>{found.advice}</WithCommands>
        </Alert>
      )}
      {drift && drift.levels.length === 0 && (
        <Alert color="blue">
          {t("live.too_few", { n: count(drift.independent), needed: count(drift.needed) })}
        </Alert>
      )}
      {drift && drift.levels.length > 0 && !found.alarm && (
        <Alert color="green" icon={<IconCircleCheck aria-hidden />}>
          {t("live.fits")}
        </Alert>
      )}
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
        <Stack>
          {fpir && (
            <Table aria-label={t("live.fpir")} verticalSpacing={6}>
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>{t("live.fpir")}</Table.Th>
                  <Table.Th ta="right">{t("live.target")}</Table.Th>
                  <Table.Th ta="right">{t("live.foretold")}</Table.Th>
                  <Table.Th ta="right">{t("live.estimate")}</Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {(["match", "review"] as const).map((name) => (
                  <Table.Tr key={name}>
                    <Table.Th scope="row" fw={400}>
                      {t(`line.${name}`)}
                    </Table.Th>
                    <Table.Td ta="right">
                      {fpir[name].target === null ? t("live.by_hand") : rate(fpir[name].target)}
                    </Table.Td>
                    <Table.Td ta="right">{rate(fpir[name].foretold)}</Table.Td>
                    <Table.Td ta="right">
                      <Interval {...fpir[name]} value={fpir[name].estimate} />
                      {fpir[name].exceeds && (
                        <Badge color="red" variant="light" ml={6}>
                          {t("live.exceeds")}
                        </Badge>
                      )}
                    </Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          )}
          {drift && drift.levels.length > 0 && (
            <Table aria-label={t("live.drift")} verticalSpacing={6}>
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>{t("live.drift")}</Table.Th>
                  <Table.Th ta="right">{t("live.observed")}</Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {drift.levels.map((level) => (
                  <Table.Tr key={level.foretold}>
                    <Table.Th scope="row" fw={400}>
                      {t("live.level", { rate: rate(level.foretold) })}
                    </Table.Th>
                    <Table.Td ta="right">
                      <Interval value={level.observed} low={level.low} high={level.high} />
                    </Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          )}
        </Stack>
        {totals.searches > 0 && <LiveScores found={found} />}
      </SimpleGrid>
    </Stack>
  );
}

/** The server's sentence, whose commands are between backticks. */
function WithCommands({ children }: { children: string }) {
  return children.split("`").map((part, index) =>
    index % 2 === 1 ? (
      // biome-ignore lint/suspicious/noArrayIndexKey: parts of one sentence
      <Code key={index}>{part}</Code>
    ) : (
      part
    ),
  );
}

function Interval(props: { value: number | null; low: number | null; high: number | null }) {
  const { t } = useTranslation("thresholds");
  const { value, low, high } = props;
  if (value === null || low === null || high === null) return t("live.unknown");
  return t("live.interval", { value: rate(value), low: rate(low), high: rate(high) });
}

function LiveScores({ found }: { found: Telemetry }) {
  const { t } = useTranslation("thresholds");
  const { width, best, second } = found.scores;
  const rows = best
    .map((counted, bin) => ({
      score: Number((-1 + bin * width).toFixed(4)),
      best: counted,
      second: second[bin] ?? 0,
    }))
    .filter((_, bin) => isBetween(bin, best) || isBetween(bin, second));
  return (
    <ChartFigure
      title={t("live.scores")}
      about={t("live.scores_about")}
      head={[t("score"), t("live.best"), t("live.second")]}
      rows={rows
        .filter((row) => row.best + row.second > 0)
        .map((row) => [score(row.score), count(row.best), count(row.second)])}
    >
      <AreaChart
        h={200}
        data={rows}
        dataKey="score"
        series={[
          { name: "second", label: t("live.second"), color: "orange.6" },
          { name: "best", label: t("live.best"), color: "petrol.5" },
        ]}
        curveType="step"
        withDots={false}
        withLegend
        withTooltip={false}
        xAxisProps={{
          type: "number",
          domain: ["dataMin", "dataMax"],
          tickFormatter: (value: number) => value.toFixed(2),
        }}
      />
    </ChartFigure>
  );
}

/** Whether a bin lies between the first and the last that hold anything. */
function isBetween(bin: number, counts: number[]): boolean {
  return (
    bin >= counts.findIndex((counted) => counted > 0) &&
    bin <= counts.findLastIndex((counted) => counted > 0)
  );
}

function Models({ found }: { found: Telemetry }) {
  const { t } = useTranslation("thresholds");
  return (
    <Section title={t("models.title")} about={t("models.about")}>
      {found.verdict && (
        <Alert color="blue">
          <WithCommands>{found.verdict}</WithCommands>
        </Alert>
      )}
      <WideTable
        label={t("models.title")}
        minWidth={520}
        head={
          <>
            <Table.Th>{t("models.model")}</Table.Th>
            <Table.Th ta="right">{t("column.match")}</Table.Th>
            <Table.Th ta="right">{t("column.match_fnir")}</Table.Th>
            <Table.Th ta="right">{t("models.ten_times")}</Table.Th>
            <Table.Th ta="right">{t("column.review_fnir")}</Table.Th>
          </>
        }
      >
        {found.models.map((each) => (
          <Table.Tr key={each.model}>
            <Table.Th scope="row" fw={each.current ? 700 : 400}>
              <Group gap="xs">
                {each.model}
                {each.current && <Badge size="sm">{t("models.current")}</Badge>}
                {each.better && (
                  <Badge size="sm" color="green" variant="light">
                    {t("models.better")}
                  </Badge>
                )}
                {!each.installed && (
                  <Badge size="sm" color="gray" variant="light">
                    {t("models.not_installed")}
                  </Badge>
                )}
              </Group>
            </Table.Th>
            <Table.Td ta="right">{each.match > 1 ? t("nobody") : score(each.match)}</Table.Td>
            <Table.Td ta="right">{rate(each.match_fnir)}</Table.Td>
            <Table.Td ta="right">{rate(each.ten_times_match_fnir)}</Table.Td>
            <Table.Td ta="right">{rate(each.review_fnir)}</Table.Td>
          </Table.Tr>
        ))}
      </WideTable>
    </Section>
  );
}
