import { Alert, List, Text } from "@mantine/core";
import { IconClock, IconGitMerge, IconHandStop, IconZoomQuestion } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { oneIn, score } from "../../shared/lib/format";
import { PersonLink } from "./PersonLink";
import { heldBecause, type Person } from "./person";
import { ReviewLink } from "./ReviewLink";
import { useRoleIn } from "./roles";
import { TEXTS } from "./texts";

const SIGNS = {
  checking: { color: "blue", icon: IconClock },
  duplicate: { color: "orange", icon: IconZoomQuestion },
  refused: { color: "red", icon: IconHandStop },
  merged: { color: "gray", icon: IconGitMerge },
} as const;

/** Why searches don't find somebody, and what could be done about it. */
export function Standing({ person }: { person: Person }) {
  const { t } = useTranslation(TEXTS);
  const mayReview = useRoleIn(person.gallery)("reviewer");
  const { doubt } = person;
  const held = heldBecause(person);
  if (held === undefined) {
    if (person.active) return null;
    return (
      <Alert color="gray" title={t("state.inactive")}>
        {t("standing.inactive")}
      </Alert>
    );
  }
  const { color, icon: Icon } = SIGNS[held];
  return (
    <Alert color={color} icon={<Icon aria-hidden />} title={t(`state.${held}`)}>
      <Text size="sm">{t(`standing.${held}`)}</Text>
      {person.merged_into !== null && (
        <Text size="sm">
          {t("standing.merged_into")} <PersonLink id={person.merged_into} />
        </Text>
      )}
      {doubt !== null && doubt.resembling.length > 0 && (
        <List size="sm" mt={4}>
          {doubt.resembling.map((each) => (
            <List.Item key={each.person}>
              <PersonLink id={each.person} />:{" "}
              {t("standing.resembles", {
                score: score(each.score),
                rate: oneIn(each.stranger_rate),
              })}
            </List.Item>
          ))}
        </List>
      )}
      {doubt !== null && held === "duplicate" && mayReview && <ReviewLink review={doubt.review} />}
    </Alert>
  );
}
