import { Tabs } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { addTexts } from "../../shared/i18n";
import { Page } from "../../shared/ui/states";
import { useMay } from "../session/session";
import { Acts } from "./Acts";
import en from "./en.json";
import { Searches } from "./Searches";
import { useFilters } from "./useFilters";
import zh from "./zh.json";

addTexts("audit", { en, zh });

/** The log of searches, and that of acts. */
export function LogsPage() {
  const { t } = useTranslation("audit");
  const isAdmin = useMay("admin");
  const { filters } = useFilters();
  const navigate = useNavigate();
  const tab = isAdmin && filters.tab === "audit" ? "audit" : "searches";
  return (
    <Page title={t("title")}>
      <Tabs
        value={tab}
        keepMounted={false}
        // Each log has its own filters: none is taken along.
        onChange={(value) => void navigate({ to: "/logs", search: { tab: value ?? "" } })}
      >
        <Tabs.List mb="md">
          <Tabs.Tab value="searches">{t("tab.searches")}</Tabs.Tab>
          {isAdmin && <Tabs.Tab value="audit">{t("tab.audit")}</Tabs.Tab>}
        </Tabs.List>
        <Tabs.Panel value={tab}>{tab === "audit" ? <Acts /> : <Searches />}</Tabs.Panel>
      </Tabs>
    </Page>
  );
}
