import { Badge } from "@mantine/core";
import {
  IconCircleCheck,
  IconCircleX,
  IconHelpCircle,
  IconMoodConfuzed,
} from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import type { Schemas } from "../api/client";

export type Decision = Schemas["Decision"];

/** Each decision has a colour and a sign of its own: nobody has to tell them by colour alone. */
export const DECISIONS = {
  match: { color: "green", icon: IconCircleCheck },
  review: { color: "orange", icon: IconHelpCircle },
  no_match: { color: "blue", icon: IconCircleX },
  poor_quality: { color: "gray", icon: IconMoodConfuzed },
} as const;

/** What the system decided about a face. */
export function DecisionBadge({
  decision,
  size = "md",
}: {
  decision: Decision | null;
  size?: string;
}) {
  const { t } = useTranslation();
  if (decision === null) return <Badge color="gray">{t("decision.none")}</Badge>;
  const { color, icon: Icon } = DECISIONS[decision];
  return (
    <Badge
      color={color}
      size={size}
      variant="light"
      leftSection={<Icon size={size === "xl" ? 20 : 14} aria-hidden />}
    >
      {t(`decision.${decision}`)}
    </Badge>
  );
}

const PHOTO_COLORS: Record<Schemas["PhotoState"], string> = {
  received: "gray",
  processing: "blue",
  enrolled: "green",
  rejected: "red",
  review: "orange",
  quarantined: "grape",
};

/** Where a photo stands. */
export function PhotoStateBadge({ state }: { state: Schemas["PhotoState"] }) {
  const { t } = useTranslation();
  return (
    <Badge color={PHOTO_COLORS[state]} variant="light">
      {t(`photo_state.${state}`)}
    </Badge>
  );
}
