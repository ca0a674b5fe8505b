import {
  Alert,
  Button,
  Group,
  Modal,
  Radio,
  SimpleGrid,
  Stack,
  Text,
  Textarea,
} from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, http } from "../../shared/api/client";
import { dateTime } from "../../shared/lib/format";
import { useSentence } from "../../shared/ui/states";
import classes from "./Person.module.css";
import { PersonPicker } from "./PersonPicker";
import { Portrait } from "./Portrait";
import { mainFace, type Person } from "./person";
import { refreshPeople } from "./refresh";
import { TEXTS } from "./texts";
import type { PersonInList } from "./usePeoplePages";

const LONGEST_REASON = 500;
const SHOWN_FACES = 6;

type Kind = "merge" | "apart";

/** Two people side by side: they are one, or they are two. */
export function PairDialog(props: {
  kind: Kind;
  person: Person;
  isOpen: boolean;
  close: () => void;
}) {
  const { t } = useTranslation(TEXTS);
  return (
    <Modal
      opened={props.isOpen}
      onClose={props.close}
      title={t(`pair.${props.kind}.title`)}
      size="xl"
    >
      <PairForm {...props} />
    </Modal>
  );
}

function PairForm({ kind, person, close }: { kind: Kind; person: Person; close: () => void }) {
  const { t } = useTranslation(TEXTS);
  const sentence = useSentence();
  const queries = useQueryClient();
  const [other, setOther] = useState<PersonInList>();
  const [stays, setStays] = useState<"this" | "other">("other");
  const [reason, setReason] = useState("");

  const decide = useMutation({
    mutationFn: (found: PersonInList) => {
      const [kept, gone] =
        kind === "merge" && stays === "other" ? [found.id, person.id] : [person.id, found.id];
      const path = kind === "merge" ? "/api/v1/people/{id}/merge" : "/api/v1/people/{id}/apart";
      return http.POST(path, {
        params: { path: { id: kept } },
        body: { person: gone, reason: reason.trim() },
      });
    },
    onSuccess: async () => {
      notifications.show({ message: t(`pair.${kind}.done`) });
      close();
      await refreshPeople(queries);
    },
  });

  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (other) decide.mutate(other);
  };

  return (
    <form onSubmit={submit}>
      <Stack>
        <Text size="sm">{t(`pair.${kind}.text`)}</Text>
        <PersonPicker
          gallery={person.gallery}
          without={person.id}
          chosen={other}
          choose={setOther}
        />
        {other && (
          <SimpleGrid cols={2}>
            <Side person={person} title={t("pair.this")} />
            <Side person={other} title={t("pair.other")} />
          </SimpleGrid>
        )}
        {kind === "merge" && (
          <Radio.Group
            label={t("pair.who_stays")}
            value={stays}
            onChange={(value) => setStays(value === "this" ? "this" : "other")}
          >
            <Group mt={4}>
              <Radio value="other" label={t("pair.other_stays")} />
              <Radio value="this" label={t("pair.this_stays")} />
            </Group>
          </Radio.Group>
        )}
        <Textarea
          label={t("reason_label")}
          maxLength={LONGEST_REASON}
          value={reason}
          onChange={(event) => setReason(event.currentTarget.value)}
        />
        {decide.isError && (
          <Alert color="red" role="alert">
            {sentence(decide.error)}
          </Alert>
        )}
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            {t("common:action.cancel")}
          </Button>
          <Button type="submit" disabled={other === undefined} loading={decide.isPending}>
            {t(`pair.${kind}.submit`)}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

/** One of the two: who they are said to be, and their faces. */
function Side({ person, title }: { person: PersonInList; title: string }) {
  const { t } = useTranslation(TEXTS);
  const photos = api.useQuery("get", "/api/v1/photos", {
    params: { query: { person: person.id, state: "enrolled", page_size: SHOWN_FACES } },
  });
  const faces = (photos.data?.results ?? []).flatMap((photo) => mainFace(photo)?.id ?? []);
  return (
    <section aria-label={title}>
      <Text size="xs" fw={600}>
        {title}
      </Text>
      <Text fw={600}>
        <bdi>{person.name || t("common:unnamed")}</bdi>
      </Text>
      <Text size="sm">
        <bdi>{person.external_id || t("list.no_external_id")}</bdi>
      </Text>
      <Text size="xs">
        {t("list.photos", { count: person.photos })} · {dateTime(person.created_at)}
      </Text>
      <Group gap={6} mt={6}>
        {faces.length === 0 ? (
          <Portrait face={null} className={classes.portrait} />
        ) : (
          faces.map((face) => <Portrait key={face} face={face} className={classes.portrait} />)
        )}
      </Group>
    </section>
  );
}
