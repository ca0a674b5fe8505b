import { Table } from "@mantine/core";
import type { ReactNode } from "react";

/** A table with a name; where the window is narrower than `minWidth` it scrolls, by keyboard, too. */
export function WideTable(props: {
  label: string;
  minWidth: number;
  head?: ReactNode;
  maxHeight?: number;
  size?: string;
  children: ReactNode;
}) {
  return (
    <Table.ScrollContainer
      minWidth={props.minWidth}
      type="native"
      role="region"
      aria-label={props.label}
      tabIndex={0}
      {...(props.maxHeight === undefined ? {} : { mah: props.maxHeight })}
    >
      <Table verticalSpacing={6} fz={props.size ?? "sm"} aria-label={props.label}>
        {props.head && (
          <Table.Thead>
            <Table.Tr>{props.head}</Table.Tr>
          </Table.Thead>
        )}
        <Table.Tbody>{props.children}</Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}
