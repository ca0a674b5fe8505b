import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import { useBlocker } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";

/**
 * Asks before changes that were not saved are left behind.
 *
 * `text` says what would be lost. Another page of the portal is held back until the dialog is answered; before the tab closes the
 * browser asks by itself.
 */
export function Unsaved({ text }: { text?: string }) {
  const { t } = useTranslation();
  const blocker = useBlocker({
    shouldBlockFn: () => true,
    enableBeforeUnload: true,
    withResolver: true,
  });
  const isOpen = blocker.status === "blocked";
  return (
    <Modal opened={isOpen} onClose={() => blocker.reset?.()} title={t("unsaved.title")}>
      <Stack>
        <Text size="sm">{text ?? t("unsaved.text")}</Text>
        <Group justify="flex-end">
          <Button variant="default" onClick={() => blocker.reset?.()} data-autofocus>
            {t("unsaved.stay")}
          </Button>
          <Button color="red" onClick={() => blocker.proceed?.()}>
            {t("unsaved.leave")}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
