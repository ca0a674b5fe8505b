import { useTranslation } from "react-i18next";
import { addTexts } from "../../shared/i18n";
import en from "./en.json";
import zh from "./zh.json";

addTexts("reviews", { en, zh });

export const useTexts = () => useTranslation("reviews");
