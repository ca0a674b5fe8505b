import { addTexts } from "../../shared/i18n";
import en from "./en.json";
import zh from "./zh.json";

addTexts("lookup", { en, zh });
