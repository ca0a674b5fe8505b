import { Paper, Stack, Text, Title } from "@mantine/core";
import type { ReactNode } from "react";

/** A part of a page, with its title and what it is about. */
export function Section(props: { title: string; about?: string; children: ReactNode }) {
  return (
    <Paper withBorder p="md" component="section">
      <Stack gap="sm">
        <div>
          <Title order={2} size="h4">
            {props.title}
          </Title>
          {props.about && <Text size="sm">{props.about}</Text>}
        </div>
        {props.children}
      </Stack>
    </Paper>
  );
}
