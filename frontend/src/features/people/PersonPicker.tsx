import { Loader, Stack, Text, TextInput, UnstyledButton } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconSearch } from "@tabler/icons-react";
import { keepPreviousData } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../../shared/api/client";
import { ErrorState } from "../../shared/ui/states";
import classes from "./Person.module.css";
import { Portrait } from "./Portrait";
import { TEXTS } from "./texts";
import type { PersonInList } from "./usePeoplePages";

const SHOWN = 8;
const TYPING_MS = 200;

/** Finds another person of a gallery by name or external id. */
export function PersonPicker(props: {
  gallery: string;
  without: string;
  chosen: PersonInList | undefined;
  choose: (person: PersonInList) => void;
}) {
  const { t } = useTranslation(TEXTS);
  const [text, setText] = useState("");
  const [search] = useDebouncedValue(text.trim(), TYPING_MS);
  const query = api.useQuery(
    "get",
    "/api/v1/people",
    {
      params: {
        query: {
          gallery: props.gallery,
          page_size: SHOWN + 1,
          ...(search === "" ? {} : { search }),
        },
      },
    },
    { placeholderData: keepPreviousData },
  );
  const found = (query.data?.results ?? [])
    .filter(({ id, held }) => id !== props.without && held !== "merged")
    .slice(0, SHOWN);
  return (
    <Stack gap="xs">
      <TextInput
        data-autofocus
        label={t("pair.search")}
        leftSection={<IconSearch size={16} aria-hidden />}
        rightSection={query.isFetching && <Loader size="xs" />}
        maxLength={200}
        dir="auto"
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
      />
      {query.isError ? (
        <ErrorState error={query.error} retry={query.refetch} />
      ) : (
        <div role="radiogroup" aria-label={t("pair.found")} aria-busy={query.isFetching}>
          {found.map((person) => (
            <UnstyledButton
              key={person.id}
              role="radio"
              aria-checked={props.chosen?.id === person.id}
              className={classes.candidate}
              onClick={() => props.choose(person)}
            >
              <Portrait face={person.portrait} className={classes.crop} size={18} />
              <span>
                <Text span size="sm" fw={600}>
                  <bdi>{person.name || t("common:unnamed")}</bdi>
                </Text>{" "}
                <Text span size="xs">
                  <bdi>{person.external_id}</bdi> · {t("list.photos", { count: person.photos })}
                </Text>
              </span>
            </UnstyledButton>
          ))}
          <Text size="sm" role="status">
            {query.isSuccess && found.length === 0 && t("list.nobody_found")}
          </Text>
        </div>
      )}
    </Stack>
  );
}
