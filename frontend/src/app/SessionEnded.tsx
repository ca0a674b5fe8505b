import { Modal, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { SignInForm } from "../features/session/SignIn";

/** Asks to sign in again over the page, which stays as it is. */
export function SessionEnded({ username }: { username: string }) {
  const { t } = useTranslation();
  return (
    <Modal
      opened
      onClose={() => {}}
      withCloseButton={false}
      closeOnEscape={false}
      closeOnClickOutside={false}
      title={t("session.ended")}
    >
      <Text size="sm" mb="md">
        {t("session.ended_text")}
      </Text>
      <SignInForm username={username} />
    </Modal>
  );
}
