import { Alert, Button, Group, Modal, Stack, Table, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../../shared/api/client";
import { changed } from "../../shared/lib/changed";
import { dateTime } from "../../shared/lib/format";
import { Section } from "../../shared/ui/Section";
import { useSentence } from "../../shared/ui/states";
import { type Fields, PersonFields, usePersonForm } from "./PersonFields";
import type { Person } from "./person";
import { refreshPeople } from "./refresh";
import { useRoleIn } from "./roles";
import { TEXTS } from "./texts";

/** What is known of somebody, to read and to change. */
export function Details({ person }: { person: Person }) {
  const { t } = useTranslation(TEXTS);
  const mayEdit = useRoleIn(person.gallery)("operator");
  const [isOpen, { open, close }] = useDisclosure();
  const metadata = Object.entries(person.metadata ?? {});
  return (
    <Section
      title={t("details.title")}
      actions={
        mayEdit && (
          <Button size="compact-xs" variant="light" onClick={open}>
            {t("common:action.edit")}
          </Button>
        )
      }
    >
      <Table variant="vertical" layout="auto" withRowBorders={false} verticalSpacing={3} fz="sm">
        <Table.Tbody>
          <Line name={t("field.name")}>{person.name || "–"}</Line>
          <Line name={t("field.external_id")}>{person.external_id || "–"}</Line>
          <Line name={t("details.since")}>{dateTime(person.created_at)}</Line>
          {metadata.map(([key, value]) => (
            <Line key={key} name={<bdi>{key}</bdi>}>
              {typeof value === "string" ? value : JSON.stringify(value)}
            </Line>
          ))}
        </Table.Tbody>
      </Table>
      {person.notes && (
        <Text
          size="sm"
          mt="xs"
          dir="auto"
          style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}
        >
          {person.notes}
        </Text>
      )}
      <Modal
        opened={isOpen}
        onClose={close}
        closeOnClickOutside={false}
        title={t("details.edit")}
        size="lg"
      >
        <EditForm person={person} close={close} />
      </Modal>
    </Section>
  );
}

function Line(props: { name: React.ReactNode; children: string }) {
  return (
    <Table.Tr>
      <Table.Th w={110} fw={500} style={{ overflowWrap: "anywhere" }}>
        {props.name}
      </Table.Th>
      <Table.Td style={{ overflowWrap: "anywhere" }}>
        <bdi>{props.children}</bdi>
      </Table.Td>
    </Table.Tr>
  );
}

function EditForm({ person, close }: { person: Person; close: () => void }) {
  const { t } = useTranslation(TEXTS);
  const sentence = useSentence();
  const queries = useQueryClient();
  // As they were when the form was opened: what somebody else changes meanwhile stays.
  const [begun] = useState<Fields>({
    name: person.name ?? "",
    external_id: person.external_id ?? "",
    notes: person.notes ?? "",
    metadata: person.metadata ?? {},
  });
  const form = usePersonForm(begun);
  const change = api.useMutation("patch", "/api/v1/people/{id}");

  const submit = (event: FormEvent) => {
    event.preventDefault();
    const fields = form.read();
    if (fields === undefined) return;
    change.mutate(
      { params: { path: { id: person.id } }, body: changed(begun, fields) },
      {
        onSuccess: async () => {
          close();
          await refreshPeople(queries);
        },
      },
    );
  };

  return (
    <form onSubmit={submit}>
      <Stack>
        <PersonFields form={form} problem={change.error} />
        {change.isError && (
          <Alert color="red" role="alert">
            {sentence(change.error)}
          </Alert>
        )}
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            {t("common:action.cancel")}
          </Button>
          <Button type="submit" loading={change.isPending}>
            {t("common:action.save")}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
