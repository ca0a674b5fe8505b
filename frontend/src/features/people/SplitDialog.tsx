import { Alert, Button, Group, Modal, Stack, Text, Textarea } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { notifications } from "@mantine/notifications";
import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../../shared/api/client";
import { useSentence } from "../../shared/ui/states";
import { NO_FIELDS, PersonFields, usePersonForm } from "./PersonFields";
import { calledBy, type Person } from "./person";
import { refreshPeople } from "./refresh";
import { TEXTS } from "./texts";

const LONGEST_REASON = 500;

/** Photos that are of somebody else, who becomes a person of their own. */
export function SplitDialog(props: { person: Person; photos: string[]; done: () => void }) {
  const { t } = useTranslation(TEXTS);
  const [isOpen, { open, close }] = useDisclosure();
  return (
    <>
      <Button size="xs" onClick={open}>
        {t("split.act")}
      </Button>
      <Modal opened={isOpen} onClose={close} title={t("split.title")} size="lg">
        <SplitForm {...props} close={close} />
      </Modal>
    </>
  );
}

function SplitForm(props: {
  person: Person;
  photos: string[];
  done: () => void;
  close: () => void;
}) {
  const { t } = useTranslation(TEXTS);
  const sentence = useSentence();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const form = usePersonForm(NO_FIELDS);
  const [reason, setReason] = useState("");
  const split = api.useMutation("post", "/api/v1/people/{id}/split");

  const submit = (event: FormEvent) => {
    event.preventDefault();
    const fields = form.read();
    if (fields === undefined) return;
    split.mutate(
      {
        params: { path: { id: props.person.id } },
        body: { photos: props.photos, reason: reason.trim(), ...fields },
      },
      {
        onSuccess: async (change) => {
          props.close();
          props.done();
          notifications.show({ message: t("split.done", { count: props.photos.length }) });
          void refreshPeople(queries);
          await navigate({ to: "/people/$person", params: { person: change.other } });
        },
      },
    );
  };

  return (
    <form onSubmit={submit}>
      <Stack>
        <Text size="sm">
          {t("split.text", { count: props.photos.length })}{" "}
          <b>
            <bdi>{calledBy(props.person) ?? t("common:unnamed")}</bdi>
          </b>
        </Text>
        <PersonFields form={form} problem={split.error} />
        <Textarea
          label={t("reason_label")}
          maxLength={LONGEST_REASON}
          value={reason}
          onChange={(event) => setReason(event.currentTarget.value)}
        />
        {split.isError && (
          <Alert color="red" role="alert">
            {sentence(split.error)}
          </Alert>
        )}
        <Group justify="flex-end">
          <Button variant="default" onClick={props.close}>
            {t("common:action.cancel")}
          </Button>
          <Button type="submit" loading={split.isPending}>
            {t("split.submit")}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
