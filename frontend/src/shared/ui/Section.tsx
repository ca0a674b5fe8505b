import { Group, Paper, Stack, Text, Title } from "@mantine/core";
import { type ReactNode, useId } from "react";

/** A part of a page, with its title, what it is about and what can be done with it. */
export function Section(props: {
  title: string;
  about?: string;
  actions?: ReactNode;
  children: ReactNode;
}) {
  const id = useId();
  return (
    <Paper withBorder p="md" component="section" aria-labelledby={id}>
      <Stack gap="sm">
        <div>
          <Group justify="space-between" gap="xs">
            <Title order={2} size="h5" id={id}>
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
