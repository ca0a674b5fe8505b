import { addTexts } from "../../shared/i18n";
import en from "./en.json";
import zh from "./zh.json";

addTexts("people", { en, zh });

/** The namespaces of this feature's texts: its own, then what all pages share. */
export const TEXTS = ["people", "common"] as const;
