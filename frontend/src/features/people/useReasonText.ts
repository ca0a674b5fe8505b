import { useTranslation } from "react-i18next";
import type { Photo } from "./person";
import { TEXTS } from "./texts";

/**
 * Why a photo stands where it does.
 *
 * The API's own sentence has the figures, in English; other languages get a sentence for the code.
 */
export function useReasonText(): (photo: Pick<Photo, "code" | "text">) => string {
  const { t, i18n } = useTranslation(TEXTS);
  return ({ code, text }) => {
    if (code === "" || (i18n.language === "en" && text !== "")) return text;
    return i18n.exists(`people:reason.${code}`) ? t(`reason.${code as "no_face"}`) : text || code;
  };
}
