import { useTranslation } from "react-i18next";
import { addTexts } from "../../shared/i18n";
import en from "./en.json";
import zh from "./zh.json";

addTexts("imports", { en, zh });

export const useTexts = () => useTranslation("imports");

/** A few words for a code; the server's own sentence for one that isn't known here. */
export function useCodeLabel(): (code: string, sentence?: string) => string {
  const { t } = useTexts();
  return (code, sentence = "") =>
    isKnown(code) ? t(`code.${code}`) : sentence || code.replaceAll("_", " ");
}

function isKnown(code: string): code is keyof typeof en.code {
  return Object.hasOwn(en.code, code);
}
