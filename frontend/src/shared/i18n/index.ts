/** Texts in English and Simplified Chinese. Each feature brings its own, when it is loaded. */
import i18next from "i18next";
import { initReactI18next } from "react-i18next";
import en from "./en.json";
import zh from "./zh.json";

export const LANGUAGES = { en: "English", zh: "简体中文" } as const;
export type Language = keyof typeof LANGUAGES;

const STORED = "likeness.language";

/** The language chosen before, or the browser's. */
export function preferredLanguage(): Language {
  const stored = localStorage.getItem(STORED);
  if (stored === "en" || stored === "zh") return stored;
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

/** Show everything in `language` from now on. */
export async function chooseLanguage(language: Language): Promise<void> {
  localStorage.setItem(STORED, language);
  await i18next.changeLanguage(language);
}

/** Add a feature's texts. */
export function addTexts(feature: string, texts: Record<Language, object>): void {
  for (const [language, bundle] of Object.entries(texts)) {
    i18next.addResourceBundle(language, feature, bundle);
  }
}

void i18next.use(initReactI18next).init({
  lng: preferredLanguage(),
  fallbackLng: "en",
  defaultNS: "common",
  resources: { en: { common: en }, zh: { common: zh } },
  interpolation: { escapeValue: false }, // React escapes
  initAsync: false,
});

function declare(language: string): void {
  document.documentElement.lang = language === "zh" ? "zh-Hans" : "en";
}
declare(i18next.language);
i18next.on("languageChanged", declare);

declare global {
  interface Window {
    /** Switches the language without a click: for the tests that take each page's picture. */
    likenessLanguage?: (language: Language) => Promise<void>;
  }
}
window.likenessLanguage = chooseLanguage;

export default i18next;
