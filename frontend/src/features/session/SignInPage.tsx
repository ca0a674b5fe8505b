import { Center, Group, Paper, Stack, Text, Title } from "@mantine/core";
import { useDocumentTitle } from "@mantine/hooks";
import { useTranslation } from "react-i18next";
import { Appearance } from "../../app/Appearance";
import { Logo } from "../../shared/ui/Logo";
import { SignInForm } from "./SignIn";

/** What somebody sees who isn't signed in. */
export function SignInPage() {
  const { t } = useTranslation();
  useDocumentTitle(`${t("session.title")} · Likeness`);
  return (
    <Center mih="100vh" p="md" component="main">
      <Stack w="100%" maw={380}>
        <Group gap="sm">
          <Logo size={36} />
          <div>
            <Title order={1} size="h3">
              Likeness
            </Title>
            <Text size="sm" c="dimmed">
              {t("session.welcome")}
            </Text>
          </div>
        </Group>
        <Paper withBorder p="lg">
          <SignInForm />
        </Paper>
        <Text size="xs" c="dimmed">
          {t("session.first_time")}
        </Text>
        <Appearance />
      </Stack>
    </Center>
  );
}
