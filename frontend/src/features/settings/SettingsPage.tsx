import { useTranslation } from "react-i18next";
import { addTexts } from "../../shared/i18n";
import { Page } from "../../shared/ui/states";
import en from "./en.json";
import zh from "./zh.json";

addTexts("settings", { en, zh });

export function SettingsPage() {
  const { t } = useTranslation();
  return <Page title={t("nav.settings")}>{null}</Page>;
}
