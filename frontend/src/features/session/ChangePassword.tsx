import { Alert, Button, PasswordInput, Stack } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../../shared/api/client";
import { useSentence } from "../../shared/ui/states";

/** One's own password: the present one, and the new one twice. */
export function ChangePassword({ done }: { done: () => void }) {
  const { t } = useTranslation();
  const sentence = useSentence();
  const change = api.useMutation("post", "/api/v1/session/password");
  const [old, setOld] = useState("");
  const [fresh, setFresh] = useState("");
  const [again, setAgain] = useState("");
  const differ = again !== "" && fresh !== again;

  const submit = (event: FormEvent) => {
    event.preventDefault();
    change.mutate(
      { body: { old, new: fresh } },
      {
        onSuccess: () => {
          notifications.show({ message: t("session.password_changed") });
          done();
        },
      },
    );
  };

  return (
    <form onSubmit={submit}>
      <Stack>
        <PasswordInput
          label={t("session.old_password")}
          autoComplete="current-password"
          required
          value={old}
          onChange={(event) => setOld(event.currentTarget.value)}
        />
        <PasswordInput
          label={t("session.new_password")}
          autoComplete="new-password"
          required
          value={fresh}
          onChange={(event) => setFresh(event.currentTarget.value)}
        />
        <PasswordInput
          label={t("session.repeat_password")}
          autoComplete="new-password"
          required
          value={again}
          error={differ && t("session.differ")}
          onChange={(event) => setAgain(event.currentTarget.value)}
        />
        {change.isError && (
          <Alert color="red" role="alert">
            {sentence(change.error)}
          </Alert>
        )}
        <Button type="submit" loading={change.isPending} disabled={fresh !== again}>
          {t("action.save")}
        </Button>
      </Stack>
    </form>
  );
}
