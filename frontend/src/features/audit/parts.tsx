import { Button, Center, NativeSelect, TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { IconDownload } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { api } from "../../shared/api/client";
import { useHere, useMay } from "../session/session";
import { parted, shortId } from "./filters";
import { useFilters } from "./useFilters";

/** From which day, and until which. */
export function Days() {
  const { t } = useTranslation("audit");
  const { filters, set } = useFilters();
  return (["since", "until"] as const).map((name) => (
    <TextInput
      key={name}
      type="date"
      size="xs"
      label={t(`filter.${name}`)}
      defaultValue={filters[name] ?? ""}
      onChange={(event) => set({ [name]: event.currentTarget.value })}
    />
  ));
}

/** A text that is filtered by, once nobody types. */
export function Words({ name, max }: { name: "reason" | "target"; max: number }) {
  const { t } = useTranslation("audit");
  const { filters, set } = useFilters();
  const later = useDebouncedCallback((value: string) => set({ [name]: value.trim() }), 300);
  return (
    <TextInput
      size="xs"
      label={t(`filter.${name}`)}
      maxLength={max}
      defaultValue={filters[name] ?? ""}
      onChange={(event) => later(event.currentTarget.value)}
    />
  );
}

/** Whose acts: of the users and keys that one may know of. */
export function Actors() {
  const { t } = useTranslation("audit");
  const { user, gallery } = useHere();
  const isAdmin = useMay("admin");
  const { filters, set } = useFilters();
  const users = api.useQuery(
    "get",
    "/api/v1/users",
    { params: { query: { page_size: 200 } } },
    { enabled: user.is_site_admin },
  );
  const here = { params: { query: { gallery: gallery.id, page_size: 200 } } };
  const members = api.useQuery("get", "/api/v1/members", here, {
    enabled: isAdmin && !user.is_site_admin,
  });
  const keys = api.useQuery("get", "/api/v1/keys", here, { enabled: isAdmin });
  const options = new Map<string, string>([
    ["", t("filter.anybody")],
    [`user:${user.id}`, user.username],
  ]);
  for (const each of users.data?.results ?? []) options.set(`user:${each.id}`, each.username);
  for (const each of members.data?.results ?? []) options.set(`user:${each.user}`, each.username);
  for (const each of keys.data?.results ?? []) {
    options.set(`api_key:${each.id}`, `${t("kind.api_key")} ${each.name ?? each.id}`);
  }
  const actor = filters.actor ?? "";
  // A link may name somebody who isn't in the lists: it stays as it is.
  if (!options.has(actor)) options.set(actor, shortId(parted(actor).id));
  return (
    <NativeSelect
      size="xs"
      label={t("filter.actor")}
      maw={200}
      value={actor}
      onChange={(event) => set({ actor: event.currentTarget.value })}
      data={[...options].map(([value, label]) => ({ value, label }))}
    />
  );
}

/** Everything that the filters let through, as a file. */
export function Export({ address }: { address: string }) {
  const { t } = useTranslation("audit");
  return (
    <Button
      component="a"
      href={address}
      download
      size="xs"
      variant="default"
      leftSection={<IconDownload size={16} aria-hidden />}
    >
      {t("export")}
    </Button>
  );
}

/** The button for the rest of a log. */
export function More(props: { has: boolean; isLoading: boolean; load: () => unknown }) {
  const { t } = useTranslation("common");
  if (!props.has) return null;
  return (
    <Center>
      <Button variant="default" loading={props.isLoading} onClick={() => void props.load()}>
        {t("action.more")}
      </Button>
    </Center>
  );
}
