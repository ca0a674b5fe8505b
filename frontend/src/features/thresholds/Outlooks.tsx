import { Badge, Group, Table, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { count, rate, score } from "../../shared/lib/format";
import { WideTable } from "../../shared/ui/WideTable";
import type { Outlook } from "./figures";

/** A threshold; beyond 1 nobody can reach it. */
function useScore(): (value: number) => string {
  const { t } = useTranslation("thresholds");
  return (value) => (value > 1 ? t("nobody") : score(value));
}

/** What a policy means at today's size and at ten times; with a change, before and after. */
export function Preview({ before, after }: { before: Outlook[]; after: Outlook[] | null }) {
  const { t } = useTranslation("thresholds");
  const said = useScore();
  const sizes = [t("today"), t("ten_times")];
  const rows: [string, (each: Outlook) => string][] = [
    [t("row.match"), (each) => said(each.match)],
    [t("row.match_fpir"), (each) => rate(each.match_fpir)],
    [t("row.match_fnir"), (each) => rate(each.match_fnir)],
    [t("row.review"), (each) => said(each.review)],
    [t("row.review_fpir"), (each) => rate(each.review_fpir)],
    [t("row.review_fnir"), (each) => rate(each.review_fnir)],
  ];
  return (
    <WideTable
      label={t("preview")}
      minWidth={360}
      head={
        <>
          <Table.Th>{t("expected")}</Table.Th>
          {before.map((each, index) => (
            <Table.Th key={each.searched} ta="right">
              {sizes[index]}
              <Text size="xs" fw={400}>
                {t("size", { n: count(each.searched) })}
              </Text>
            </Table.Th>
          ))}
        </>
      }
    >
      {rows.map(([label, cell]) => (
        <Table.Tr key={label}>
          <Table.Th scope="row" fw={400}>
            {label}
          </Table.Th>
          {before.map((each, index) => {
            const changed = after?.[index];
            const [was, is] = [cell(each), changed ? cell(changed) : cell(each)];
            return (
              <Table.Td key={each.searched} ta="right">
                {was === is ? (
                  was
                ) : (
                  <>
                    <Text span size="sm" td="line-through">
                      {was}
                    </Text>{" "}
                    <Text span size="sm" fw={700}>
                      {is}
                    </Text>
                  </>
                )}
              </Table.Td>
            );
          })}
        </Table.Tr>
      ))}
    </WideTable>
  );
}

/** The thresholds of every tier: they rise with the gallery. */
export function Tiers({ tiers, current }: { tiers: Outlook[]; current: number | undefined }) {
  const { t } = useTranslation("thresholds");
  const said = useScore();
  return (
    <WideTable
      label={t("tiers")}
      minWidth={560}
      head={
        <>
          <Table.Th>{t("tier")}</Table.Th>
          <Table.Th ta="right">{t("column.match")}</Table.Th>
          <Table.Th ta="right">{t("column.review")}</Table.Th>
          <Table.Th ta="right">{t("column.match_fnir")}</Table.Th>
          <Table.Th ta="right">{t("column.review_fnir")}</Table.Th>
        </>
      }
    >
      {tiers.map((each) => (
        <Table.Tr key={each.tier}>
          <Table.Th scope="row" fw={each.tier === current ? 700 : 400}>
            <Group gap="xs">
              {t("up_to", { n: count(each.tier) })}
              {each.tier === current && <Badge size="sm">{t("current")}</Badge>}
            </Group>
          </Table.Th>
          <Table.Td ta="right">{said(each.match)}</Table.Td>
          <Table.Td ta="right">{said(each.review)}</Table.Td>
          <Table.Td ta="right">{rate(each.match_fnir)}</Table.Td>
          <Table.Td ta="right">{rate(each.review_fnir)}</Table.Td>
        </Table.Tr>
      ))}
    </WideTable>
  );
}
