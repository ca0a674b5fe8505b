import {
  Autocomplete,
  Badge,
  Button,
  Group,
  Select,
  Stack,
  Table,
  Text,
  VisuallyHidden,
} from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, http, type Schemas } from "../../shared/api/client";
import { BY_CURSOR } from "../../shared/api/cursor";
import { Confirmed } from "../../shared/ui/confirm";
import { Section } from "../../shared/ui/Section";
import { Empty, ErrorState, Loading } from "../../shared/ui/states";
import { WideTable } from "../../shared/ui/WideTable";
import { useHere } from "../session/session";
import { fieldError } from "./figures";
import { More, Refusal, type Role, useRoles } from "./parts";

type Member = Schemas["Member"];

const LIST = ["get", "/api/v1/members"];

/** Who may do what in the gallery. */
export function Members() {
  const { t } = useTranslation("settings");
  const { gallery } = useHere();
  const found = api.useInfiniteQuery(
    "get",
    "/api/v1/members",
    { params: { query: { gallery: gallery.id, page_size: 100 } } },
    { pageParamName: "cursor", ...BY_CURSOR },
  );
  const members = found.data?.pages.flatMap((page) => page.results) ?? [];
  return (
    <Stack>
      <Section title={t("members.add_title")} about={t("members.about")}>
        <AddMember />
      </Section>
      <Section title={t("members.title", { gallery: gallery.name })}>
        {found.isPending && <Loading />}
        {found.isError && <ErrorState error={found.error} retry={found.refetch} />}
        {found.data && members.length === 0 && (
          <Empty title={t("members.none")}>
            <Text size="sm">{t("members.none_text")}</Text>
          </Empty>
        )}
        {members.length > 0 && (
          <WideTable
            label={t("members.title", { gallery: gallery.name })}
            minWidth={520}
            head={
              <>
                <Table.Th>{t("members.username")}</Table.Th>
                <Table.Th>{t("members.name")}</Table.Th>
                <Table.Th w={200}>{t("members.role")}</Table.Th>
                <Table.Th w={120}>
                  <VisuallyHidden>{t("members.remove")}</VisuallyHidden>
                </Table.Th>
              </>
            }
          >
            {members.map((member) => (
              <MemberRow key={member.id} member={member} />
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

function MemberRow({ member }: { member: Member }) {
  const { t } = useTranslation(["settings", "common"]);
  const { gallery } = useHere();
  const roles = useRoles();
  const queries = useQueryClient();
  const change = api.useMutation("patch", "/api/v1/members/{id}");
  const refresh = () => queries.invalidateQueries({ queryKey: LIST });
  const setRole = (role: string | null) =>
    role !== null &&
    change.mutate(
      { params: { path: { id: member.id } }, body: { role: role as Role } },
      {
        onSuccess: async () => {
          notifications.show({
            message: t("members.changed", {
              name: member.username,
              role: t(`common:role.${role as Role}`),
            }),
          });
          await refresh();
        },
      },
    );
  const remove = async () => {
    await http.DELETE("/api/v1/members/{id}", { params: { path: { id: member.id } } });
    await refresh();
  };
  return (
    <Table.Tr>
      <Table.Th scope="row" fw={500}>
        <Group gap="xs">
          <bdi>{member.username}</bdi>
          {!member.active && (
            <Badge color="gray" variant="light">
              {t("users.inactive")}
            </Badge>
          )}
        </Group>
      </Table.Th>
      <Table.Td>
        <bdi>{member.name}</bdi>
      </Table.Td>
      <Table.Td>
        <Select
          aria-label={t("members.role_of", { name: member.username })}
          size="xs"
          allowDeselect={false}
          data={roles}
          value={member.role}
          disabled={change.isPending}
          onChange={setRole}
        />
        <Refusal error={change.error} />
      </Table.Td>
      <Table.Td ta="right">
        <Confirmed
          label={t("members.remove")}
          question={t("members.remove_question", { name: member.username })}
          act={remove}
        >
          <Text size="sm">{t("members.remove_text", { gallery: gallery.name })}</Text>
        </Confirmed>
      </Table.Td>
    </Table.Tr>
  );
}

function AddMember() {
  const { t } = useTranslation(["settings", "common"]);
  const { user, gallery } = useHere();
  const roles = useRoles();
  const queries = useQueryClient();
  const add = api.useMutation("post", "/api/v1/members");
  const [username, setUsername] = useState("");
  const [role, setRole] = useState<Role>("viewer");
  // Only site administrators may see who there is; others type the name.
  const known = api.useQuery(
    "get",
    "/api/v1/users",
    { params: { query: { active: true, page_size: 200 } } },
    { enabled: user.is_site_admin },
  );

  const submit = (event: FormEvent) => {
    event.preventDefault();
    add.mutate(
      { body: { gallery: gallery.id, username: username.trim(), role } },
      {
        onSuccess: async () => {
          notifications.show({ message: t("members.added", { name: username }) });
          setUsername("");
          await queries.invalidateQueries({ queryKey: LIST });
        },
      },
    );
  };

  return (
    <form onSubmit={submit}>
      <Stack gap="xs">
        <Group align="flex-end">
          <Autocomplete
            label={t("members.username")}
            required
            maxLength={150}
            data={(known.data?.results ?? []).map((each) => each.username)}
            value={username}
            error={fieldError(add.error, "username")}
            onChange={setUsername}
          />
          <Select
            label={t("members.role")}
            allowDeselect={false}
            data={roles}
            value={role}
            onChange={(value) => value !== null && setRole(value as Role)}
          />
          <Button type="submit" loading={add.isPending}>
            {t("members.add")}
          </Button>
        </Group>
        <Text size="xs">{t(`members.means_${role}`)}</Text>
        <Refusal error={add.error} fields={["username"]} />
      </Stack>
    </form>
  );
}
