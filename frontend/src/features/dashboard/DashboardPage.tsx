import { Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { api } from "../../shared/api/client";
import { addTexts } from "../../shared/i18n";
import { Empty, ErrorState, Loading, Page } from "../../shared/ui/states";
import en from "./en.json";
import { Galleries, MakeFirst } from "./Galleries";
import { InstallationFigures } from "./Installation";
import { Lookups } from "./Lookups";
import zh from "./zh.json";

addTexts("dashboard", { en, zh });

const EVERY = 15_000;

/** How everything is: one's galleries, and for site administrators the installation. */
export function DashboardPage() {
  const { t } = useTranslation("dashboard");
  const found = api.useQuery("get", "/api/v1/dashboard", undefined, { refetchInterval: EVERY });
  return (
    <Page title={t("title")}>
      {found.isPending && <Loading lines={8} />}
      {/* Figures of a moment ago stay in view, with the word that they are old. */}
      {found.isError && <ErrorState error={found.error} retry={found.refetch} />}
      {found.data && (
        <>
          {found.data.galleries.length === 0 ? (
            <Empty title={t("galleries.none")}>
              <MakeFirst />
            </Empty>
          ) : (
            <>
              <Galleries galleries={found.data.galleries} />
              <Lookups galleries={found.data.galleries} />
            </>
          )}
          {found.data.installation ? (
            <InstallationFigures found={found.data.installation} />
          ) : (
            <Text size="sm">{t("for_site_admins")}</Text>
          )}
        </>
      )}
    </Page>
  );
}
