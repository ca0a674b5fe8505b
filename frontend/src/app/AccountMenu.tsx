import { Box, Button, Menu, Modal } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconUser } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { ChangePassword } from "../features/session/ChangePassword";
import { useSignOut } from "../features/session/session";
import { Appearance } from "./Appearance";

/** Who is signed in, and what concerns them alone. It is loaded when it is first opened. */
export function AccountMenu({ username }: { username: string }) {
  const { t } = useTranslation();
  const signOut = useSignOut();
  const [isChanging, { open, close }] = useDisclosure();
  return (
    <>
      <Menu width={300} position="bottom-end" defaultOpened>
        <Menu.Target>
          <Button
            variant="subtle"
            size="xs"
            leftSection={<IconUser size={16} aria-hidden />}
            aria-label={`${t("account")}: ${username}`}
          >
            {username}
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Box p="xs">
            <Appearance />
          </Box>
          <Menu.Item onClick={open}>{t("session.change_password")}</Menu.Item>
          <Menu.Item onClick={() => signOut.mutate()}>{t("session.sign_out")}</Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <Modal opened={isChanging} onClose={close} title={t("session.change_password")}>
        <ChangePassword done={close} />
      </Modal>
    </>
  );
}
