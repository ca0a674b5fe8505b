import { Button, Group, Stack, Text } from "@mantine/core";
import { IconPhoto } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Section } from "../../shared/ui/Section";
import { Empty, ErrorState, Loading } from "../../shared/ui/states";
import { Unsaved } from "../../shared/ui/Unsaved";
import classes from "./Person.module.css";
import { PhotoCard } from "./PhotoCard";
import { PhotoDialog } from "./PhotoDialog";
import type { Person } from "./person";
import { refreshPeople } from "./refresh";
import { useRoleIn } from "./roles";
import { SplitDialog } from "./SplitDialog";
import { TEXTS } from "./texts";
import { DropPhotos, UploadList } from "./UploadArea";
import { usePhotos, useTemplate } from "./usePerson";
import { useUploads } from "./useUploads";

/** A person's photos with the faces found on them: to look at, add to, choose from. */
export function Photos({ person }: { person: Person }) {
  const { t } = useTranslation(TEXTS);
  const may = useRoleIn(person.gallery);
  const queries = useQueryClient();
  const { query, photos, busy } = usePhotos(person.id);
  const template = useTemplate(person.id, person.active === true);
  const uploads = useUploads(() => void refreshPeople(queries));
  const [shownId, setShown] = useState<string>();
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const isMerged = person.held === "merged";
  const mayAdd = may("operator") && !isMerged;
  const maySplit = may("reviewer") && !isMerged && photos.length > 0;
  const scores = new Map(template.data?.parts.map((part) => [part.photo, part]));
  const shown = photos.find(({ id }) => id === shownId);
  // A photo that was deleted meanwhile is not chosen any more.
  const split = photos.filter(({ id }) => chosen.has(id)).map(({ id }) => id);

  const toggle = (id: string) =>
    setChosen((before) => {
      const after = new Set(before);
      if (!after.delete(id)) after.add(id);
      return after;
    });

  return (
    <Section title={t("photos.title")}>
      <Stack gap="sm">
        {mayAdd && <DropPhotos add={(files) => uploads.add(person.id, files)} />}
        {uploads.progress.isBusy && <Unsaved text={t("photos.leaving")} />}
        <UploadList
          uploads={uploads.uploads}
          retry={(upload) => uploads.retry(person.id, upload)}
          dismiss={uploads.dismiss}
        />
        <Text size="sm" role="status" aria-live="polite" hidden={busy === 0}>
          {busy > 0 && t("photos.busy", { count: busy })}
        </Text>
        {split.length > 0 && (
          <Group gap="xs">
            <Text size="sm">{t("split.chosen", { count: split.length })}</Text>
            <SplitDialog person={person} photos={split} done={() => setChosen(new Set())} />
            <Button size="xs" variant="default" onClick={() => setChosen(new Set())}>
              {t("split.none")}
            </Button>
          </Group>
        )}
        {query.isPending ? (
          <Loading />
        ) : query.isError && photos.length === 0 ? (
          <ErrorState error={query.error} retry={query.refetch} />
        ) : photos.length === 0 ? (
          <Empty icon={<IconPhoto size={40} aria-hidden />} title={t("photos.none")}>
            <Text size="sm">
              {t(
                isMerged
                  ? "photos.none_merged"
                  : mayAdd
                    ? "photos.none_text"
                    : "photos.none_viewer",
              )}
            </Text>
          </Empty>
        ) : (
          <ul className={classes.photos}>
            {photos.map((photo) => (
              <PhotoCard
                key={photo.id}
                person={person}
                photo={photo}
                part={scores.get(photo.id)}
                isChosen={chosen.has(photo.id)}
                toggle={maySplit ? () => toggle(photo.id) : undefined}
                open={() => setShown(photo.id)}
              />
            ))}
          </ul>
        )}
        {query.hasNextPage && (
          <Button
            variant="default"
            size="xs"
            loading={query.isFetchingNextPage}
            onClick={() => void query.fetchNextPage()}
          >
            {t("common:action.more")}
          </Button>
        )}
      </Stack>
      <PhotoDialog person={person} photo={shown} close={() => setShown(undefined)} />
    </Section>
  );
}
