import { Group, Paper, Stack, Text, Title } from "@mantine/core";
import type { ReactNode } from "react";

/**
 * A part of a page, with its title, what it is about and what can be done with it.
 *
 * No landmark: a page has many of them, and headings lead through them.
 */
export function Section(props: {
  title: string;
  about?: string;
  actions?: ReactNode;
  children: ReactNode;
}) {
  return (
    <Paper withBorder p="md" component="section">
      <Stack gap="sm">
        <div>
          <Group justify="space-between" gap="xs">
            <Title order={2} size="h5">
              {props.title}
            </Title>
            {props.actions && <Group gap="xs">{props.actions}</Group>}
          </Group>
          {props.about && <Text size="sm">{props.about}</Text>}
        </div>
        {props.children}
      </Stack>
    </Paper>
  );
}
