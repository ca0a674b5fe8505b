import "@mantine/charts/styles.layer.css";
import { BarChart } from "@mantine/charts";
import { Select, Text } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { count, dayOfMonth } from "../../shared/lib/format";
import { DECISIONS as LOOKS } from "../../shared/ui/badges";
import { ChartFigure } from "../../shared/ui/ChartFigure";
import { Section } from "../../shared/ui/Section";
import { DECISIONS, daysOf, type GalleryFigures } from "./figures";

const ALL = "";

/** How many faces were looked up each day, and how they were decided. */
export function Lookups({ galleries }: { galleries: GalleryFigures[] }) {
  const { t } = useTranslation(["dashboard", "common"]);
  const [chosen, choose] = useState(ALL);
  const counted = galleries.filter((each) => each.lookups !== null);
  const rows = daysOf(counted.filter((each) => chosen === ALL || each.id === chosen));
  const total = rows.reduce((sum, row) => sum + row.searches, 0);
  return (
    <Section title={t("lookups.title")} about={t("lookups.about")}>
      {counted.length === 0 && <Text size="sm">{t("lookups.for_reviewers")}</Text>}
      {counted.length > 1 && (
        <Select
          aria-label={t("common:gallery.label")}
          size="xs"
          maw={260}
          allowDeselect={false}
          value={chosen}
          onChange={(value) => choose(value ?? ALL)}
          data={[
            { value: ALL, label: t("lookups.all") },
            ...counted.map(({ id, name }) => ({ value: id, label: name })),
          ]}
        />
      )}
      {counted.length > 0 && (
        <ChartFigure
          title={t("lookups.total", { count: total, number: count(total) })}
          head={[
            t("lookups.day"),
            t("lookups.searches"),
            ...DECISIONS.map((name) => t(`common:decision.${name}`)),
          ]}
          rows={rows.map((row) => [
            dayOfMonth(row.day),
            count(row.searches),
            ...DECISIONS.map((name) => count(row[name])),
          ])}
        >
          <BarChart
            h={240}
            data={rows}
            dataKey="day"
            type="stacked"
            withLegend
            withTooltip={false}
            series={DECISIONS.map((name) => ({
              name,
              label: t(`common:decision.${name}`),
              color: name === "none" ? "dark.2" : `${LOOKS[name].color}.6`,
            }))}
            xAxisProps={{ tickFormatter: dayOfMonth }}
            yAxisProps={{ allowDecimals: false }}
          />
        </ChartFigure>
      )}
    </Section>
  );
}
