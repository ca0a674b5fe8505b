import { Button, List, Menu, Text, TextInput } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { notifications } from "@mantine/notifications";
import { IconArrowsSplit2, IconDots, IconGitMerge } from "@tabler/icons-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { http } from "../../shared/api/client";
import { count } from "../../shared/lib/format";
import { Confirmed } from "../../shared/ui/confirm";
import { useSentence } from "../../shared/ui/states";
import { PairDialog } from "./PairDialog";
import { calledBy, erasureWord, heldBecause, isTyped, mergedFrom, type Person } from "./person";
import { refreshPeople } from "./refresh";
import { useRoleIn } from "./roles";
import { TEXTS } from "./texts";
import { useChanges } from "./usePerson";

/** What can be done with a person as a whole, as far as one's role allows. */
export function Acts({ person }: { person: Person }) {
  const may = useRoleIn(person.gallery);
  return (
    <>
      {may("operator") && <Activity person={person} />}
      {may("reviewer") && person.held !== "merged" && <WhoIsWho person={person} />}
      {may("admin") && person.held !== "merged" && <Erase person={person} />}
    </>
  );
}

/** In or out of searches. Whom the platform holds nobody can let in here. */
function Activity({ person }: { person: Person }) {
  const { t } = useTranslation(TEXTS);
  const sentence = useSentence();
  const queries = useQueryClient();
  const change = useMutation({
    mutationFn: (active: boolean) =>
      http.PATCH("/api/v1/people/{id}", {
        params: { path: { id: person.id } },
        body: { active },
      }),
    onSuccess: async (_, active) => {
      notifications.show({ message: t(active ? "acts.activated" : "acts.deactivated") });
      await refreshPeople(queries);
    },
    onError: (error) => notifications.show({ color: "red", message: sentence(error) }),
  });
  if (heldBecause(person)) return null;
  return (
    <Button
      size="xs"
      variant="default"
      loading={change.isPending}
      onClick={() => change.mutate(!person.active)}
    >
      {t(person.active ? "acts.deactivate" : "acts.activate")}
    </Button>
  );
}

function WhoIsWho({ person }: { person: Person }) {
  const { t } = useTranslation(TEXTS);
  const [isMerging, merging] = useDisclosure();
  const [isParting, parting] = useDisclosure();
  return (
    <>
      <Menu position="bottom-end">
        <Menu.Target>
          <Button size="xs" variant="default" leftSection={<IconDots size={14} aria-hidden />}>
            {t("acts.who_is_who")}
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item leftSection={<IconGitMerge size={16} aria-hidden />} onClick={merging.open}>
            {t("pair.merge.act")}
          </Menu.Item>
          <Menu.Item
            leftSection={<IconArrowsSplit2 size={16} aria-hidden />}
            onClick={parting.open}
          >
            {t("pair.apart.act")}
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <PairDialog kind="merge" person={person} isOpen={isMerging} close={merging.close} />
      <PairDialog kind="apart" person={person} isOpen={isParting} close={parting.close} />
    </>
  );
}

/** For good: says exactly what goes, and wants to be told whom it is about. */
function Erase({ person }: { person: Person }) {
  const { t } = useTranslation(TEXTS);
  const navigate = useNavigate();
  const queries = useQueryClient();
  const changes = useChanges(person.id);
  const [typed, setTyped] = useState("");
  const word = erasureWord(person);
  const others = mergedFrom(person.id, changes.data ?? []).length;

  const erase = async () => {
    await http.DELETE("/api/v1/people/{id}", { params: { path: { id: person.id } } });
    notifications.show({ message: t("erase.done") });
    await navigate({ to: "/people" });
    // Nothing of them stays in this browser's memory either.
    queries.removeQueries({
      predicate: ({ queryKey }) => JSON.stringify(queryKey).includes(person.id),
    });
    queries.removeQueries({ queryKey: ["get", "/api/v1/people"], type: "inactive" });
    await queries.invalidateQueries({ queryKey: ["get", "/api/v1/people"] });
  };

  return (
    <Confirmed
      label={t("erase.act")}
      question={t("erase.question")}
      act={erase}
      ready={isTyped(typed, word)}
      variant="outline"
    >
      <Text size="sm">
        {t("erase.who")}{" "}
        <b>
          <bdi>{calledBy(person) ?? person.id}</bdi>
        </b>
      </Text>
      <List size="sm">
        <List.Item>{t("erase.person")}</List.Item>
        <List.Item>
          {t("erase.photos", { count: person.photos, shown: count(person.photos) })}
        </List.Item>
        <List.Item>{t("erase.template")}</List.Item>
        <List.Item>{t("erase.answers")}</List.Item>
        {others > 0 && <List.Item>{t("erase.others", { count: others })}</List.Item>}
      </List>
      <Text size="sm">{t("erase.stays")}</Text>
      <Text size="sm" fw={600}>
        {t("erase.final")}
      </Text>
      <TextInput
        label={
          <>
            {t("erase.type")} <bdi>{word}</bdi>
          </>
        }
        dir="auto"
        autoComplete="off"
        value={typed}
        onChange={(event) => setTyped(event.currentTarget.value)}
      />
    </Confirmed>
  );
}
