import { Badge, Group, Stack, Text, Textarea } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { http } from "../../shared/api/client";
import { dateTime } from "../../shared/lib/format";
import { Confirmed } from "../../shared/ui/confirm";
import { Section } from "../../shared/ui/Section";
import { ErrorState } from "../../shared/ui/states";
import { Actor } from "./Actor";
import { PersonLink } from "./PersonLink";
import type { Change, Person } from "./person";
import { refreshPeople } from "./refresh";
import { useRoleIn } from "./roles";
import { TEXTS } from "./texts";
import { useChanges } from "./usePerson";

const LONGEST_REASON = 500;

/** Who turned out to be whom: merges, splits, people who are two; each can be taken back. */
export function Changes({ person }: { person: Person }) {
  const { t } = useTranslation(TEXTS);
  const query = useChanges(person.id);
  const changes = query.data ?? [];
  if (query.isSuccess && changes.length === 0) return null;
  return (
    <Section title={t("changes.title")}>
      {query.isError ? (
        <ErrorState error={query.error} retry={query.refetch} />
      ) : (
        <Stack gap="md">
          {changes.map((change) => (
            <OneChange key={change.id} person={person} change={change} />
          ))}
        </Stack>
      )}
    </Section>
  );
}

function OneChange({ person, change }: { person: Person; change: Change }) {
  const { t } = useTranslation(TEXTS);
  const queries = useQueryClient();
  const mayReview = useRoleIn(person.gallery)("reviewer");
  const [reason, setReason] = useState("");
  const isOther = change.other === person.id;
  const against = isOther ? change.person : change.other;
  // From the other side a merge reads the other way round.
  const said = `changes.${change.kind}_${isOther ? "as_other" : "here"}` as const;

  const undo = async () => {
    await http.POST("/api/v1/changes/{id}/undo", {
      params: { path: { id: change.id } },
      body: { reason: reason.trim() },
    });
    await refreshPeople(queries);
  };

  return (
    <div>
      <Text size="sm">
        {t(said)} <PersonLink id={against} />
        {change.photos.length > 0 && ` (${t("list.photos", { count: change.photos.length })})`}
      </Text>
      {change.reason && (
        <Text size="sm" dir="auto" style={{ overflowWrap: "anywhere" }}>
          {change.reason}
        </Text>
      )}
      <Text size="xs">
        {dateTime(change.created_at)} · <Actor actor={change.actor} />
      </Text>
      {change.undone_at ? (
        <Group gap="xs" mt={4}>
          <Badge color="gray" variant="light">
            {t("changes.undone")}
          </Badge>
          <Text size="xs">
            {dateTime(change.undone_at)} · <Actor actor={change.undone_by ?? ""} />
          </Text>
          {change.undone_because && <Text size="xs">{change.undone_because}</Text>}
        </Group>
      ) : (
        mayReview && (
          <Confirmed
            label={t("common:action.undo")}
            question={t("changes.undo_question")}
            act={undo}
            color="petrol"
            size="compact-xs"
          >
            <Text size="sm">{t(`changes.undo_${change.kind}`)}</Text>
            <Textarea
              label={t("reason_label")}
              maxLength={LONGEST_REASON}
              value={reason}
              onChange={(event) => setReason(event.currentTarget.value)}
            />
          </Confirmed>
        )
      )}
    </div>
  );
}
