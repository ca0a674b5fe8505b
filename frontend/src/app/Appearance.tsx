import { Group, SegmentedControl, useMantineColorScheme } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { chooseLanguage, LANGUAGES, type Language } from "../shared/i18n";

const SCHEMES = ["light", "dark", "auto"] as const;

/** The switches of language and colours. */
export function Appearance() {
  const { t, i18n } = useTranslation();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  return (
    <Group gap="xs">
      <SegmentedControl
        size="xs"
        aria-label={t("language")}
        value={i18n.language}
        onChange={(value) => void chooseLanguage(value as Language)}
        data={Object.entries(LANGUAGES).map(([value, label]) => ({ value, label }))}
      />
      <SegmentedControl
        size="xs"
        aria-label={t("theme.label")}
        value={colorScheme}
        onChange={(value) => setColorScheme(value as (typeof SCHEMES)[number])}
        data={SCHEMES.map((value) => ({ value, label: t(`theme.${value}`) }))}
      />
    </Group>
  );
}
