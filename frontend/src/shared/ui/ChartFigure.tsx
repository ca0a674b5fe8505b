import { Box, Table, Text, Title } from "@mantine/core";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { WideTable } from "./WideTable";

/** A chart with its title and a sentence, and the same figures as a table for whoever wants those. */
export function ChartFigure(props: {
  title: string;
  about?: string;
  head: string[];
  rows: string[][];
  children: ReactNode;
}) {
  const { t } = useTranslation();
  return (
    <Box component="figure" m={0} miw={0}>
      <Title order={3} size="h6">
        {props.title}
      </Title>
      {props.about && <Text size="xs">{props.about}</Text>}
      {/* A picture: its figures are in the table below. */}
      <Box mt="xs" aria-hidden inert>
        {props.children}
      </Box>
      <Box component="details" mt={4} fz="xs">
        <summary>{t("figures")}</summary>
        <WideTable
          label={props.title}
          minWidth={200}
          maxHeight={260}
          size="xs"
          head={props.head.map((cell) => <Table.Th key={cell}>{cell}</Table.Th>)}
        >
          {props.rows.map((row) => (
            <Table.Tr key={row[0]}>
              {row.map((cell, column) => (
                <Table.Td key={props.head[column]}>{cell}</Table.Td>
              ))}
            </Table.Tr>
          ))}
        </WideTable>
      </Box>
    </Box>
  );
}
