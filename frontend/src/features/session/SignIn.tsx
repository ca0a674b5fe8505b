import { Alert, Button, PasswordInput, Stack, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { useSentence } from "../../shared/ui/states";
import { useSignIn } from "./session";

/** User name and password, and why they were refused. */
export function SignInForm({ username: known = "" }: { username?: string }) {
  const { t } = useTranslation();
  const signIn = useSignIn();
  const sentence = useSentence();
  const [username, setUsername] = useState(known);
  const [password, setPassword] = useState("");

  const submit = (event: FormEvent) => {
    event.preventDefault();
    signIn.mutate({ username, password }, { onError: () => setPassword("") });
  };

  return (
    <form onSubmit={submit}>
      <Stack>
        <TextInput
          label={t("session.username")}
          autoComplete="username"
          required
          withAsterisk={false}
          data-autofocus={known === "" || undefined}
          value={username}
          onChange={(event) => setUsername(event.currentTarget.value)}
        />
        <PasswordInput
          label={t("session.password")}
          autoComplete="current-password"
          required
          withAsterisk={false}
          data-autofocus={known !== "" || undefined}
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
        />
        {signIn.isError && (
          <Alert color="red" role="alert">
            {sentence(signIn.error)}
          </Alert>
        )}
        <Button type="submit" loading={signIn.isPending}>
          {t("session.submit")}
        </Button>
      </Stack>
    </form>
  );
}
