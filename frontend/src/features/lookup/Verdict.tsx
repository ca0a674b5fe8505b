import { Text, Title } from "@mantine/core";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { DECISIONS, type Decision } from "../../shared/ui/badges";
import classes from "./lookup.module.css";

/** A decision in words, a sign and a colour. */
export function Verdict(props: {
  decision: Decision | null;
  title: ReactNode;
  children?: ReactNode;
}) {
  const { t } = useTranslation();
  const { color, icon: Icon } =
    props.decision === null ? DECISIONS.poor_quality : DECISIONS[props.decision];
  return (
    <div
      className={classes.decision}
      data-decision={props.decision ?? "none"}
      style={{
        borderColor: `var(--mantine-color-${color}-6)`,
        background: `color-mix(in srgb, var(--mantine-color-${color}-6) 9%, var(--mantine-color-body))`,
      }}
    >
      <Icon
        size={36}
        aria-hidden
        color={`var(--mantine-color-${color}-6)`}
        style={{ flex: "none" }}
      />
      <div>
        <Text size="sm" fw={600}>
          {t(`decision.${props.decision ?? "none"}`)}
        </Text>
        <Title order={2} size="h3">
          {props.title}
        </Title>
        {props.children}
      </div>
    </div>
  );
}
