import { Button, CloseButton, Group, Select, Text, TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { IconSearch, IconUserPlus, IconUsers } from "@tabler/icons-react";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { type KeyboardEvent, useEffect, useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { count } from "../../shared/lib/format";
import { Empty, ErrorState, Page } from "../../shared/ui/states";
import { useHere, useMay } from "../session/session";
import { NewPerson } from "./NewPerson";
import { PeopleGrid } from "./PeopleGrid";
import { TEXTS } from "./texts";
import { type Filters, type PersonState, usePeoplePages } from "./usePeoplePages";

const STATES = [
  "active",
  "inactive",
  "held",
  "checking",
  "duplicate",
  "refused",
  "merged",
] as const satisfies readonly PersonState[];
const TYPING_MS = 200;
/** What the API takes at most. */
const LONGEST_SEARCH = 200;

function stateOf(text: string | undefined): PersonState | undefined {
  return STATES.find((state) => state === text);
}

/** Everybody in the gallery: search, filter, open, add. */
export function PeoplePage() {
  const { t } = useTranslation(TEXTS);
  const { gallery } = useHere();
  const mayEnrol = useMay("operator");
  const { q = "", state: stateText } = useSearch({ from: "/people" });
  const state = stateOf(stateText);
  const filters = useMemo<Filters>(
    () => ({
      gallery: gallery.id,
      ...(q === "" ? {} : { search: q }),
      ...(state === undefined ? {} : { state }),
    }),
    [gallery.id, q, state],
  );
  const people = usePeoplePages(filters);
  const grid = useRef<HTMLDivElement>(null);
  const { query, known, isOld } = people;
  const navigate = useNavigate();
  // Filters live in the address, so that it can be passed on.
  const show = (chosen: { q: string; state: PersonState | undefined }) =>
    void navigate({
      to: "/people",
      search: {
        ...(chosen.q === "" ? {} : { q: chosen.q }),
        ...(chosen.state === undefined ? {} : { state: chosen.state }),
      },
      replace: true,
    });
  const isFiltered = q !== "" || state !== undefined;
  const isEmpty = !isOld && known.total === 0;

  return (
    <Page title={t("common:nav.people")} actions={mayEnrol && <NewPerson />}>
      <Group gap="sm" align="end">
        <SearchBox
          searched={q}
          search={(words) => show({ q: words, state })}
          toGrid={() => grid.current?.focus()}
        />
        <StateChoice state={state} choose={(chosen) => show({ q, state: chosen })} />
        <Text size="sm" role="status" aria-live="polite" ms="auto">
          {query.isSuccess && !isOld && (
            <Found total={known.total} atLeast={people.length} isFiltered={isFiltered} />
          )}
        </Text>
      </Group>
      {query.isError && people.personAt(0) === undefined ? (
        <ErrorState error={query.error} retry={query.refetch} />
      ) : isEmpty ? (
        <Nobody isFiltered={isFiltered} mayEnrol={mayEnrol} />
      ) : (
        <>
          {query.isError && <ErrorState error={query.error} retry={query.refetch} />}
          <PeopleGrid filters={filters} people={people} gridRef={grid} />
        </>
      )}
    </Page>
  );
}

/** Searches while somebody types; the address follows, so that it can be passed on. */
function SearchBox(props: {
  searched: string;
  search: (words: string) => void;
  toGrid: () => void;
}) {
  const { t } = useTranslation(TEXTS);
  const [text, setText] = useState(props.searched);
  const input = useRef<HTMLInputElement>(null);
  // The address changes by other ways, too; but never under the hands of somebody who types.
  useEffect(() => {
    if (document.activeElement !== input.current) setText(props.searched);
  }, [props.searched]);

  const search = useDebouncedCallback((words: string) => {
    props.search(words);
  }, TYPING_MS);
  const write = (words: string) => {
    setText(words);
    search(words.trim());
  };
  const press = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown") {
      event.preventDefault();
      props.toGrid();
    } else if (event.key === "Escape") {
      write("");
    }
  };

  return (
    <TextInput
      ref={input}
      label={t("list.search")}
      placeholder={t("list.search_hint")}
      leftSection={<IconSearch size={16} aria-hidden />}
      rightSection={
        text !== "" && (
          <CloseButton size="sm" aria-label={t("list.clear")} onClick={() => write("")} />
        )
      }
      w={320}
      maxLength={LONGEST_SEARCH}
      value={text}
      onChange={(event) => write(event.currentTarget.value)}
      onKeyDown={press}
    />
  );
}

function StateChoice(props: {
  state: PersonState | undefined;
  choose: (state: PersonState | undefined) => void;
}) {
  const { t } = useTranslation(TEXTS);
  const { state, choose } = props;
  return (
    <Select
      label={t("list.state")}
      placeholder={t("list.any_state")}
      clearable
      w={230}
      data={STATES.map((value) => ({ value, label: t(`filter.${value}`) }))}
      value={state ?? null}
      onChange={(chosen) => choose(stateOf(chosen ?? undefined))}
    />
  );
}

function Found(props: { total: number | undefined; atLeast: number; isFiltered: boolean }) {
  const { t } = useTranslation(TEXTS);
  if (props.total === undefined) {
    return <>{t("list.many", { shown: count(props.atLeast) })}</>;
  }
  const shown = count(props.total);
  return (
    <>
      {props.isFiltered
        ? t("list.found", { count: props.total, shown })
        : t("list.all", { count: props.total, shown })}
    </>
  );
}

function Nobody(props: { isFiltered: boolean; mayEnrol: boolean }) {
  const { t } = useTranslation(TEXTS);
  const navigate = useNavigate();
  if (props.isFiltered) {
    return (
      <Empty icon={<IconSearch size={40} aria-hidden />} title={t("list.nobody_found")}>
        <Text size="sm">{t("list.nobody_found_text")}</Text>
        <Button
          variant="light"
          onClick={() => void navigate({ to: "/people", search: {}, replace: true })}
        >
          {t("list.clear_filters")}
        </Button>
      </Empty>
    );
  }
  return (
    <Empty icon={<IconUsers size={40} aria-hidden />} title={t("list.nobody")}>
      <Text size="sm">{t(props.mayEnrol ? "list.nobody_text" : "list.nobody_viewer")}</Text>
      {props.mayEnrol && (
        <Button
          variant="light"
          leftSection={<IconUserPlus size={16} aria-hidden />}
          onClick={() => void navigate({ to: "/imports/new" })}
        >
          {t("list.import")}
        </Button>
      )}
    </Empty>
  );
}
