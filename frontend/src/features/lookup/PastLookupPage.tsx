import { useTranslation } from "react-i18next";
import { addTexts } from "../../shared/i18n";
import { Page } from "../../shared/ui/states";
import en from "./en.json";
import zh from "./zh.json";

addTexts("lookup", { en, zh });

export function PastLookupPage() {
  const { t } = useTranslation();
  return <Page title={t("nav.lookup")}>{null}</Page>;
}
