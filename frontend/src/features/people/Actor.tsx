import { useTranslation } from "react-i18next";
import { useHere } from "../session/session";
import { actorParts } from "./person";
import { TEXTS } from "./texts";

/** Who did something, as the log names them: ids, since names change. */
export function Actor({ actor }: { actor: string }) {
  const { t } = useTranslation(TEXTS);
  const { user } = useHere();
  const { kind, name } = actorParts(actor);
  if (kind === "user") {
    return <>{name === user.id ? t("actor.you") : t("actor.user", { id: name.slice(-8) })}</>;
  }
  if (kind === "api_key") return <>{t("actor.api_key", { id: name })}</>;
  return <>{t("actor.system")}</>;
}
