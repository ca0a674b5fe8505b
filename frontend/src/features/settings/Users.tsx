import { Badge, Button, Group, Table, Text, TextInput, VisuallyHidden } from "@mantine/core";
import { useDebouncedValue, useDisclosure } from "@mantine/hooks";
import { keepPreviousData, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, http, type Schemas } from "../../shared/api/client";
import { BY_CURSOR } from "../../shared/api/cursor";
import { ago } from "../../shared/lib/format";
import { Confirmed } from "../../shared/ui/confirm";
import { Section } from "../../shared/ui/Section";
import { Empty, ErrorState, Loading } from "../../shared/ui/states";
import { WideTable } from "../../shared/ui/WideTable";
import { useHere } from "../session/session";
import { More } from "./parts";
import { UserDialog } from "./UserDialog";

type User = Schemas["User"];

export const USERS = ["get", "/api/v1/users"];

/** Who can sign in; for site administrators. */
export function Users() {
  const { t } = useTranslation("settings");
  const [search, setSearch] = useState("");
  const [asked] = useDebouncedValue(search.trim(), 250);
  const [isMaking, { open, close }] = useDisclosure();
  const found = api.useInfiniteQuery(
    "get",
    "/api/v1/users",
    { params: { query: { page_size: 100, ...(asked === "" ? {} : { search: asked }) } } },
    { pageParamName: "cursor", ...BY_CURSOR, placeholderData: keepPreviousData },
  );
  const users = found.data?.pages.flatMap((page) => page.results) ?? [];
  return (
    <Section title={t("users.title")} about={t("users.about")}>
      <Group justify="space-between" align="flex-end">
        <TextInput
          type="search"
          label={t("users.search")}
          maxLength={200}
          value={search}
          onChange={(event) => setSearch(event.currentTarget.value)}
        />
        <Button onClick={open}>{t("users.make")}</Button>
      </Group>
      {found.isPending && <Loading />}
      {found.isError && <ErrorState error={found.error} retry={found.refetch} />}
      {found.data && users.length === 0 && <Empty title={t("users.none")} />}
      {users.length > 0 && (
        <WideTable
          label={t("users.title")}
          minWidth={680}
          head={
            <>
              <Table.Th>{t("members.username")}</Table.Th>
              <Table.Th>{t("users.name")}</Table.Th>
              <Table.Th>{t("users.email")}</Table.Th>
              <Table.Th>{t("users.last_login")}</Table.Th>
              <Table.Th w={220}>
                <VisuallyHidden>{t("users.change")}</VisuallyHidden>
              </Table.Th>
            </>
          }
        >
          {users.map((user) => (
            <UserRow key={user.id} user={user} />
          ))}
        </WideTable>
      )}
      <More
        has={found.hasNextPage}
        isLoading={found.isFetchingNextPage}
        load={found.fetchNextPage}
      />
      <UserDialog opened={isMaking} close={close} />
    </Section>
  );
}

function UserRow({ user }: { user: User }) {
  const { t } = useTranslation(["settings", "common"]);
  const { user: me } = useHere();
  const queries = useQueryClient();
  const [isChanging, { open, close }] = useDisclosure();
  const setActive = async (active: boolean) => {
    await http.PATCH("/api/v1/users/{id}", {
      params: { path: { id: user.id } },
      body: { active },
    });
    await queries.invalidateQueries({ queryKey: USERS });
  };
  return (
    <Table.Tr>
      <Table.Th scope="row" fw={500}>
        <Group gap="xs">
          <bdi>{user.username}</bdi>
          {user.is_site_admin && <Badge variant="light">{t("users.site_admin")}</Badge>}
          {!user.active && (
            <Badge color="gray" variant="light">
              {t("users.inactive")}
            </Badge>
          )}
        </Group>
      </Table.Th>
      <Table.Td>
        <bdi>{[user.first_name, user.last_name].filter(Boolean).join(" ")}</bdi>
      </Table.Td>
      <Table.Td>{user.email}</Table.Td>
      <Table.Td>{user.last_login ? ago(user.last_login) : t("users.never")}</Table.Td>
      <Table.Td>
        <Group gap="xs" justify="flex-end" wrap="nowrap">
          <Button
            size="xs"
            variant="default"
            onClick={open}
            aria-label={t("users.change_of", { name: user.username })}
          >
            {t("users.change")}
          </Button>
          {user.active ? (
            <Confirmed
              label={t("users.deactivate")}
              question={t("users.deactivate_question", { name: user.username })}
              // One who shuts oneself out can't undo it.
              disabled={user.id === me.id}
              act={() => setActive(false)}
            >
              <Text size="sm">{t("users.deactivate_text")}</Text>
            </Confirmed>
          ) : (
            <Confirmed
              label={t("users.activate")}
              question={t("users.activate_question", { name: user.username })}
              color="petrol"
              act={() => setActive(true)}
            >
              <Text size="sm">{t("users.activate_text")}</Text>
            </Confirmed>
          )}
        </Group>
        <UserDialog user={user} opened={isChanging} close={close} />
      </Table.Td>
    </Table.Tr>
  );
}
