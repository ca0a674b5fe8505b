import { Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { AnchorLink } from "../../shared/ui/links";
import type en from "./en.json";
import { parted, shortId } from "./filters";

type Kind = keyof (typeof en)["kind"];

/** Who acted: by name where it is known, else as what. */
export function Actor({ actor, name }: { actor: string; name: string | null }) {
  const { t, i18n } = useTranslation("audit");
  const { kind, id } = parted(actor);
  const label = i18n.exists(`audit:kind.${kind}`) ? t(`kind.${kind as Kind}`) : kind;
  if (kind === "user" && name) return <bdi>{name}</bdi>;
  return (
    <>
      {label} <bdi>{name ?? shortId(id)}</bdi>
    </>
  );
}

/** What was acted on, with a link to where it is shown. */
export function Target({ target, name }: { target: string; name: string | null }) {
  const { t, i18n } = useTranslation("audit");
  const { kind, id } = parted(target);
  const label = i18n.exists(`audit:kind.${kind}`) ? t(`kind.${kind as Kind}`) : kind;
  const shown = (
    <>
      {label} <bdi>{name ?? shortId(id)}</bdi>
    </>
  );
  const look = { size: "sm", title: id } as const;
  switch (kind) {
    case "person":
      return (
        <AnchorLink to="/people/$person" params={{ person: id }} {...look}>
          {shown}
        </AnchorLink>
      );
    case "search":
      return (
        <AnchorLink to="/lookups/$search" params={{ search: id }} {...look}>
          {shown}
        </AnchorLink>
      );
    case "import":
      return (
        <AnchorLink to="/imports/$job" params={{ job: id }} {...look}>
          {shown}
        </AnchorLink>
      );
    case "gallery":
    case "user":
    case "api_key":
      return (
        <AnchorLink
          to="/settings"
          search={{ tab: kind === "user" ? "users" : kind === "api_key" ? "keys" : "gallery" }}
          {...look}
        >
          {shown}
        </AnchorLink>
      );
    default:
      return (
        <Text span size="sm" title={id}>
          {shown}
        </Text>
      );
  }
}
