import "i18next";
import type audit from "../../features/audit/en.json";
import type dashboard from "../../features/dashboard/en.json";
import type imports from "../../features/imports/en.json";
import type lookup from "../../features/lookup/en.json";
import type people from "../../features/people/en.json";
import type reviews from "../../features/reviews/en.json";
import type settings from "../../features/settings/en.json";
import type thresholds from "../../features/thresholds/en.json";
import type common from "./en.json";

declare module "i18next" {
  interface CustomTypeOptions {
    defaultNS: "common";
    resources: {
      common: typeof common;
      audit: typeof audit;
      dashboard: typeof dashboard;
      imports: typeof imports;
      lookup: typeof lookup;
      people: typeof people;
      reviews: typeof reviews;
      settings: typeof settings;
      thresholds: typeof thresholds;
    };
  }
}
