import {
  Alert,
  Badge,
  Button,
  Code,
  CopyButton,
  Group,
  Modal,
  Select,
  Stack,
  Table,
  Text,
  TextInput,
  VisuallyHidden,
} from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, http, type Schemas } from "../../shared/api/client";
import { BY_CURSOR } from "../../shared/api/cursor";
import { dateTime } from "../../shared/lib/format";
import { Confirmed } from "../../shared/ui/confirm";
import { Section } from "../../shared/ui/Section";
import { Empty, ErrorState, Loading } from "../../shared/ui/states";
import { WideTable } from "../../shared/ui/WideTable";
import { useHere } from "../session/session";
import { endOfDay, fieldError } from "./figures";
import { More, Refusal, type Role, useRoles } from "./parts";

type Key = Schemas["Key"];

const LIST = ["get", "/api/v1/keys"];
const STATES = { valid: "green", revoked: "gray", expired: "orange" } as const;

/** The machines that may use the gallery. */
export function Keys() {
  const { t } = useTranslation("settings");
  const { gallery } = useHere();
  const found = api.useInfiniteQuery(
    "get",
    "/api/v1/keys",
    { params: { query: { gallery: gallery.id, page_size: 100 } } },
    { pageParamName: "cursor", ...BY_CURSOR },
  );
  const keys = found.data?.pages.flatMap((page) => page.results) ?? [];
  const title = t("keys.title", { gallery: gallery.name });
  return (
    <Stack>
      <Section title={t("keys.make_title")} about={t("keys.about")}>
        <MakeKey />
      </Section>
      <Section title={title}>
        {found.isPending && <Loading />}
        {found.isError && <ErrorState error={found.error} retry={found.refetch} />}
        {found.data && keys.length === 0 && (
          <Empty title={t("keys.none")}>
            <Text size="sm">{t("keys.none_text")}</Text>
          </Empty>
        )}
        {keys.length > 0 && (
          <WideTable
            label={title}
            minWidth={680}
            head={
              <>
                <Table.Th>{t("keys.name")}</Table.Th>
                <Table.Th>{t("keys.prefix")}</Table.Th>
                <Table.Th>{t("members.role")}</Table.Th>
                <Table.Th>{t("keys.state")}</Table.Th>
                <Table.Th>{t("keys.created")}</Table.Th>
                <Table.Th>{t("keys.expires")}</Table.Th>
                <Table.Th w={110}>
                  <VisuallyHidden>{t("keys.revoke")}</VisuallyHidden>
                </Table.Th>
              </>
            }
          >
            {keys.map((key) => (
              <KeyRow key={key.id} of={key} />
            ))}
          </WideTable>
        )}
        <More
          has={found.hasNextPage}
          isLoading={found.isFetchingNextPage}
          load={found.fetchNextPage}
        />
      </Section>
    </Stack>
  );
}

function KeyRow({ of: key }: { of: Key }) {
  const { t } = useTranslation(["settings", "common"]);
  const queries = useQueryClient();
  const state = key.state as keyof typeof STATES;
  const revoke = async () => {
    await http.DELETE("/api/v1/keys/{id}", { params: { path: { id: key.id } } });
    await queries.invalidateQueries({ queryKey: LIST });
  };
  return (
    <Table.Tr>
      <Table.Th scope="row" fw={500}>
        <bdi>{key.name}</bdi>
      </Table.Th>
      <Table.Td>
        <Code>{key.id}</Code>
      </Table.Td>
      <Table.Td>{t(`common:role.${key.role}`)}</Table.Td>
      <Table.Td>
        <Badge color={STATES[state]} variant="light">
          {t(`keys.${state}`)}
        </Badge>
      </Table.Td>
      <Table.Td>{dateTime(key.created_at)}</Table.Td>
      <Table.Td>{key.expires_at ? dateTime(key.expires_at) : t("keys.never")}</Table.Td>
      <Table.Td ta="right">
        {state === "valid" && (
          <Confirmed
            label={t("keys.revoke")}
            question={t("keys.revoke_question", { name: key.name ?? key.id })}
            act={revoke}
          >
            <Text size="sm">{t("keys.revoke_text")}</Text>
          </Confirmed>
        )}
      </Table.Td>
    </Table.Tr>
  );
}

function MakeKey() {
  const { t } = useTranslation("settings");
  const { gallery } = useHere();
  const roles = useRoles();
  const queries = useQueryClient();
  const make = api.useMutation("post", "/api/v1/keys");
  const [name, setName] = useState("");
  const [role, setRole] = useState<Role>("viewer");
  const [day, setDay] = useState("");
  // Kept here alone, and gone with the dialog: nobody can show it again.
  const [secret, setSecret] = useState<string | null>(null);

  const submit = (event: FormEvent) => {
    event.preventDefault();
    make.mutate(
      { body: { gallery: gallery.id, name, role, expires_at: endOfDay(day) } },
      {
        onSuccess: async (made) => {
          setSecret(made.secret);
          make.reset();
          setName("");
          setDay("");
          await queries.invalidateQueries({ queryKey: LIST });
        },
      },
    );
  };

  return (
    <form onSubmit={submit}>
      <Stack gap="xs">
        <Group align="flex-start">
          <TextInput
            label={t("keys.name")}
            placeholder={t("keys.name_example")}
            required
            maxLength={50}
            value={name}
            error={fieldError(make.error, "name")}
            onChange={(event) => setName(event.currentTarget.value)}
          />
          <Select
            label={t("members.role")}
            allowDeselect={false}
            data={roles}
            value={role}
            onChange={(value) => value !== null && setRole(value as Role)}
          />
          <TextInput
            type="date"
            label={t("keys.expires_on")}
            value={day}
            error={fieldError(make.error, "expires_at")}
            onChange={(event) => setDay(event.currentTarget.value)}
          />
          <Button type="submit" mt={24} loading={make.isPending}>
            {t("keys.make")}
          </Button>
        </Group>
        <Refusal error={make.error} fields={["name", "expires_at"]} />
      </Stack>
      <Secret secret={secret} close={() => setSecret(null)} />
    </form>
  );
}

function Secret({ secret, close }: { secret: string | null; close: () => void }) {
  const { t } = useTranslation(["settings", "common"]);
  return (
    <Modal
      opened={secret !== null}
      onClose={close}
      title={t("keys.made")}
      closeOnClickOutside={false}
      closeOnEscape={false}
      withCloseButton={false}
    >
      <Stack>
        <Alert color="orange">{t("keys.once")}</Alert>
        <Code block aria-label={t("keys.secret")} role="textbox" aria-readonly tabIndex={0}>
          {secret ?? ""}
        </Code>
        <Group justify="flex-end">
          <CopyButton value={secret ?? ""}>
            {({ copied, copy }) => (
              <Button variant="default" onClick={copy} data-autofocus>
                {copied ? t("common:action.copied") : t("common:action.copy")}
              </Button>
            )}
          </CopyButton>
          <Button onClick={close}>{t("keys.kept")}</Button>
        </Group>
      </Stack>
    </Modal>
  );
}
