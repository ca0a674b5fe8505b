import { Button, Modal, PasswordInput, SimpleGrid, Stack, Switch, TextInput } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { http, type Schemas } from "../../shared/api/client";
import { fieldError } from "./figures";
import { Refusal } from "./parts";

type User = Schemas["User"];

const FIELDS = ["username", "first_name", "last_name", "email", "password"];

/** Makes a user, or changes one: all but the name they sign in with. */
export function UserDialog(props: { user?: User; opened: boolean; close: () => void }) {
  const { t } = useTranslation("settings");
  const title = props.user ? t("users.change_of", { name: props.user.username }) : t("users.make");
  return (
    <Modal opened={props.opened} onClose={props.close} title={title}>
      <Form {...(props.user ? { user: props.user } : {})} close={props.close} />
    </Modal>
  );
}

function Form({ user, close }: { user?: User; close: () => void }) {
  const { t } = useTranslation(["settings", "common"]);
  const queries = useQueryClient();
  const [username, setUsername] = useState("");
  const [password, setPassword] = useState("");
  const [account, setAccount] = useState({
    first_name: user?.first_name ?? "",
    last_name: user?.last_name ?? "",
    email: user?.email ?? "",
    is_site_admin: user?.is_site_admin ?? false,
  });
  const save = useMutation({
    mutationFn: async () => {
      if (user === undefined) {
        return http.POST("/api/v1/users", { body: { username, password, ...account } });
      }
      return http.PATCH("/api/v1/users/{id}", {
        params: { path: { id: user.id } },
        body: { ...account, ...(password === "" ? {} : { password }) },
      });
    },
    onSuccess: async () => {
      notifications.show({ message: t(user ? "users.changed" : "users.made") });
      await queries.invalidateQueries({ queryKey: ["get", "/api/v1/users"] });
      close();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    save.mutate();
  };
  const said = (field: string) => fieldError(save.error, field);

  return (
    <form onSubmit={submit} noValidate={false}>
      <Stack>
        {!user && (
          <TextInput
            label={t("members.username")}
            description={t("users.username_about")}
            data-autofocus
            required
            maxLength={150}
            autoComplete="off"
            value={username}
            error={said("username")}
            onChange={(event) => setUsername(event.currentTarget.value)}
          />
        )}
        <SimpleGrid cols={2}>
          {(["first_name", "last_name"] as const).map((name) => (
            <TextInput
              key={name}
              label={t(`users.${name}`)}
              maxLength={150}
              value={account[name]}
              error={said(name)}
              onChange={(event) => setAccount({ ...account, [name]: event.currentTarget.value })}
            />
          ))}
        </SimpleGrid>
        <TextInput
          label={t("users.email")}
          maxLength={254}
          value={account.email}
          error={said("email")}
          onChange={(event) => setAccount({ ...account, email: event.currentTarget.value })}
        />
        <PasswordInput
          label={t(user ? "users.new_password" : "users.password")}
          description={t(user ? "users.new_password_about" : "users.password_about")}
          autoComplete="new-password"
          required={!user}
          value={password}
          error={said("password")}
          onChange={(event) => setPassword(event.currentTarget.value)}
        />
        <Switch
          label={t("users.site_admin")}
          description={t("users.site_admin_about")}
          checked={account.is_site_admin}
          onChange={(event) =>
            setAccount({ ...account, is_site_admin: event.currentTarget.checked })
          }
        />
        <Refusal error={save.error} fields={FIELDS} />
        <Button type="submit" loading={save.isPending}>
          {user ? t("common:action.save") : t("users.make_it")}
        </Button>
      </Stack>
    </form>
  );
}
