import { Tabs } from "@mantine/core";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { addTexts } from "../../shared/i18n";
import { Forbidden, Page } from "../../shared/ui/states";
import { useHere, useMay } from "../session/session";
import en from "./en.json";
import { GallerySettings } from "./GallerySettings";
import { Keys } from "./Keys";
import { Members } from "./Members";
import { Models } from "./Models";
import { Users } from "./Users";
import zh from "./zh.json";

addTexts("settings", { en, zh });

const TABS = {
  gallery: GallerySettings,
  members: Members,
  keys: Keys,
  users: Users,
  models: Models,
} as const;
type Tab = keyof typeof TABS;

/** The gallery, who may do what in it, and for site administrators the users. */
export function SettingsPage() {
  const { t } = useTranslation("settings");
  const { user, gallery } = useHere();
  const isAdmin = useMay("admin");
  const { tab = "gallery" } = useSearch({ strict: false });
  const navigate = useNavigate();
  const hasGallery = gallery.id !== "";
  const shown: Tab[] = [
    "gallery",
    ...(hasGallery ? (["members", "keys"] as const) : []),
    ...(user.is_site_admin ? (["users"] as const) : []),
    "models",
  ];
  if (!isAdmin) {
    return (
      <Page title={t("title")}>
        <Forbidden />
      </Page>
    );
  }
  const chosen = shown.find((each) => each === tab) ?? "gallery";
  const Chosen = TABS[chosen];
  return (
    <Page title={t("title")}>
      <Tabs
        value={chosen}
        onChange={(value) => void navigate({ to: "/settings", search: { tab: value ?? "" } })}
        keepMounted={false}
      >
        <Tabs.List mb="md">
          {shown.map((each) => (
            <Tabs.Tab key={each} value={each}>
              {t(`tab.${each}`)}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value={chosen}>
          <Chosen />
        </Tabs.Panel>
      </Tabs>
    </Page>
  );
}
