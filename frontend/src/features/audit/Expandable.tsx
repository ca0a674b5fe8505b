import { ActionIcon, Table } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconChevronDown, IconChevronRight } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";

/** A row of a log, and below it, once it is opened, its details. */
export function Expandable(props: { cells: ReactNode; columns: number; children: ReactNode }) {
  const { t } = useTranslation("audit");
  const [isOpen, { toggle }] = useDisclosure();
  return (
    <>
      <Table.Tr>
        <Table.Td>
          <ActionIcon
            variant="subtle"
            size="sm"
            aria-expanded={isOpen}
            aria-label={t("details")}
            onClick={toggle}
          >
            {isOpen ? (
              <IconChevronDown size={16} aria-hidden />
            ) : (
              <IconChevronRight size={16} aria-hidden />
            )}
          </ActionIcon>
        </Table.Td>
        {props.cells}
      </Table.Tr>
      {isOpen && (
        <Table.Tr>
          <Table.Td />
          <Table.Td colSpan={props.columns}>{props.children}</Table.Td>
        </Table.Tr>
      )}
    </>
  );
}
