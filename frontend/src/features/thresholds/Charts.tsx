import "@mantine/charts/styles.layer.css";
import { AreaChart, LineChart } from "@mantine/charts";
import { Alert, SimpleGrid } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { ReferenceDot } from "recharts";
import { count, rate, score } from "../../shared/lib/format";
import { ChartFigure } from "../../shared/ui/ChartFigure";
import {
  binsOf,
  LEAST_DRAWN,
  type Outlook,
  type Plot,
  ratesOf,
  thinned,
  tradesOf,
} from "./figures";

const HEIGHT = 240;
const STRANGERS = "orange.6";
const GENUINE = "petrol.5";
const LATER = "grape.5";
const ROWS = 24;
// Thresholds are near the right end: their names need room.
const MARGIN = { margin: { right: 44 } };

/** Scores, as far as thresholds that somebody can reach: these may be beyond all that was measured. */
function scoreAxis({ match, review }: Outlook) {
  const reached = [match, review].filter((threshold) => threshold <= 1);
  return {
    type: "number" as const,
    domain: ["dataMin" as const, (most: number) => Math.max(most, ...reached)] as [
      "dataMin",
      (most: number) => number,
    ],
    tickFormatter: (value: number) => value.toFixed(2),
    tickCount: 7,
  };
}

/** What the calibration knows, with the thresholds in it. */
export function Charts({ plot, outlook }: { plot: Plot; outlook: Outlook[] }) {
  const { t } = useTranslation("thresholds");
  const [now, later] = outlook;
  if (plot.calibration === null || now === undefined) {
    return <Alert color="yellow">{t("calibration.none")}</Alert>;
  }
  const bins = binsOf(plot);
  const rates = ratesOf(plot);
  const trades = tradesOf(plot);
  const lines = [
    { x: now.review, label: t("line.review"), color: "gray.6", labelPosition: "insideTopRight" },
    { x: now.match, label: t("line.match"), color: "gray.6", labelPosition: "insideTopLeft" },
  ] as const;
  const sizes = [
    t("size", { n: count(now.searched) }),
    t("size", { n: count(later?.searched ?? 10 * now.searched) }),
  ];
  const percent = (value: number) => rate(value);

  return (
    <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
      <ChartFigure
        title={t("chart.scores")}
        about={t("chart.scores_about")}
        head={[t("score"), t("strangers"), t("genuine")]}
        rows={thinned(bins, ROWS).map((each) => [
          score(each.score),
          rate(each.strangers),
          rate(each.genuine),
        ])}
      >
        <AreaChart
          h={HEIGHT}
          data={bins}
          dataKey="score"
          series={[
            { name: "strangers", label: t("strangers"), color: STRANGERS },
            { name: "genuine", label: t("genuine"), color: GENUINE },
          ]}
          curveType="step"
          withDots={false}
          withLegend
          withTooltip={false}
          valueFormatter={percent}
          xAxisProps={scoreAxis(now)}
          areaChartProps={MARGIN}
          referenceLines={[...lines]}
        />
      </ChartFigure>
      <ChartFigure
        title={t("chart.rates")}
        about={t("chart.rates_about")}
        head={[t("score"), t("fmr"), t("fnmr")]}
        rows={thinned(rates, ROWS).map((each) => [
          score(each.score),
          rate(each.fmr ?? 0),
          rate(each.fnmr ?? 0),
        ])}
      >
        <LineChart
          h={HEIGHT}
          data={rates}
          dataKey="score"
          series={[
            { name: "fmr", label: t("fmr"), color: STRANGERS },
            { name: "fnmr", label: t("fnmr"), color: GENUINE },
          ]}
          curveType="linear"
          withDots={false}
          withLegend
          withTooltip={false}
          xAxisProps={scoreAxis(now)}
          lineChartProps={MARGIN}
          yAxisProps={{
            type: "number",
            scale: "log",
            domain: [LEAST_DRAWN, 1],
            ticks: [1e-8, 1e-6, 1e-4, 1e-2, 1],
            allowDataOverflow: true,
            width: 64,
            tickFormatter: power,
          }}
          referenceLines={[...lines]}
        />
      </ChartFigure>
      <ChartFigure
        title={t("chart.trade")}
        about={t("chart.trade_about")}
        head={[t("fpir"), ...sizes]}
        rows={thinned(trades, ROWS).map((each) => [
          rate(each.fpir),
          rate(each.now ?? 0),
          rate(each.later ?? 0),
        ])}
      >
        <LineChart
          h={HEIGHT}
          data={trades}
          dataKey="fpir"
          series={[
            { name: "now", label: sizes[0] ?? "", color: GENUINE },
            { name: "later", label: sizes[1] ?? "", color: LATER },
          ]}
          curveType="linear"
          withDots={false}
          withLegend
          withTooltip={false}
          xAxisProps={{
            type: "number",
            scale: "log",
            domain: [1e-6, 1],
            ticks: [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1],
            tickFormatter: power,
            allowDataOverflow: true,
            interval: 0,
          }}
          yAxisProps={{ domain: [0, 1], tickFormatter: percent }}
        >
          {outlook.map((each) => (
            <ReferenceDot
              key={each.searched}
              x={each.match_fpir}
              y={each.match_fnir}
              r={6}
              fill="var(--mantine-color-red-6)"
              stroke="var(--mantine-color-body)"
              strokeWidth={2}
              ifOverflow="hidden"
            />
          ))}
        </LineChart>
      </ChartFigure>
    </SimpleGrid>
  );
}

/** 0.0001 as 10⁻⁴; 1 as 1. */
function power(value: number): string {
  const exponent = Math.round(Math.log10(value));
  if (exponent === 0) return "1";
  const digits = [...String(Math.abs(exponent))].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(digit)]);
  return `10${exponent < 0 ? "⁻" : ""}${digits.join("")}`;
}
