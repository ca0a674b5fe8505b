import { Alert, Button, Group, Modal, Stack } from "@mantine/core";
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { useSentence } from "./states";

/**
 * A button whose act is carried out only after a question that says what goes.
 *
 * `act` may fail: the dialog stays open and says why.
 */
export function Confirmed(props: {
  label: string;
  question: string;
  children: ReactNode;
  act: () => Promise<unknown>;
  color?: string;
  disabled?: boolean;
  variant?: string;
  size?: string;
  /** Whether what the dialog asks for was given, such as a name typed. */
  ready?: boolean;
}) {
  const { t } = useTranslation();
  const sentence = useSentence();
  const [isOpen, setOpen] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);

  const close = () => {
    setOpen(false);
    setError(null);
  };
  const act = async () => {
    setBusy(true);
    setError(null);
    try {
      await props.act();
      close();
    } catch (failed) {
      setError(failed);
    } finally {
      setBusy(false);
    }
  };

  return (
    <>
      <Button
        variant={props.variant ?? "light"}
        size={props.size ?? "xs"}
        color={props.color ?? "red"}
        disabled={props.disabled ?? false}
        onClick={() => setOpen(true)}
      >
        {props.label}
      </Button>
      <Modal opened={isOpen} onClose={close} title={props.question}>
        <Stack>
          {props.children}
          {error !== null && (
            <Alert color="red" role="alert">
              {sentence(error)}
            </Alert>
          )}
          <Group justify="flex-end">
            <Button variant="default" onClick={close} data-autofocus>
              {t("action.cancel")}
            </Button>
            <Button
              color={props.color ?? "red"}
              loading={isBusy}
              disabled={!(props.ready ?? true)}
              onClick={() => void act()}
            >
              {props.label}
            </Button>
          </Group>
        </Stack>
      </Modal>
    </>
  );
}
