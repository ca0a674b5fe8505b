import { Alert, Button, Grid, Stack } from "@mantine/core";
import { IconArrowLeft } from "@tabler/icons-react";
import { Link, useParams } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { ErrorState, Loading, Page } from "../../shared/ui/states";
import { useHere } from "../session/session";
import { Acts } from "./Acts";
import { Changes } from "./Changes";
import { Details } from "./Details";
import { History } from "./History";
import { Photos } from "./Photos";
import { calledBy, type Person } from "./person";
import { Standing } from "./Standing";
import { Template } from "./Template";
import { TEXTS } from "./texts";
import { usePerson } from "./usePerson";

/** Everything about one person, and everything that can be done with them. */
export function PersonPage() {
  const { t } = useTranslation(TEXTS);
  const { person: id } = useParams({ from: "/people/$person" });
  const query = usePerson(id);
  if (query.data === undefined) {
    return (
      <Page title={t("person.title")} actions={<ToPeople />}>
        {query.isError ? <ErrorState error={query.error} retry={query.refetch} /> : <Loading />}
      </Page>
    );
  }
  // Another person is another page: nothing chosen or typed for one may act on the other.
  return <Known key={id} person={query.data} />;
}

function Known({ person }: { person: Person }) {
  const { t } = useTranslation(TEXTS);
  const name = calledBy(person) ?? t("common:unnamed");
  return (
    <Page
      title={name}
      heading={<bdi>{name}</bdi>}
      actions={
        <>
          <ToPeople />
          <Acts person={person} />
        </>
      }
    >
      <OtherGallery id={person.gallery} />
      <Standing person={person} />
      <Grid gap="lg">
        <Grid.Col span={{ base: 12, lg: 8 }}>
          <Photos person={person} />
        </Grid.Col>
        <Grid.Col span={{ base: 12, lg: 4 }}>
          <Stack gap="lg">
            <Details person={person} />
            <Template person={person} />
            <Changes person={person} />
            <History person={person} />
          </Stack>
        </Grid.Col>
      </Grid>
    </Page>
  );
}

function ToPeople() {
  const { t } = useTranslation(TEXTS);
  return (
    <Button
      component={Link}
      to="/people"
      size="xs"
      variant="default"
      leftSection={<IconArrowLeft size={14} aria-hidden />}
    >
      {t("person.to_people")}
    </Button>
  );
}

/** A link may lead to somebody of another gallery than the one that is worked in. */
function OtherGallery({ id }: { id: string }) {
  const { t } = useTranslation(TEXTS);
  const { gallery, session, chooseGallery } = useHere();
  const theirs = session.galleries.find((each) => each.id === id);
  if (gallery.id === id || theirs === undefined) return null;
  return (
    <Alert>
      {t("person.other_gallery", { gallery: theirs.name })}{" "}
      <Button size="compact-xs" variant="light" onClick={() => chooseGallery(id)}>
        {t("person.go_to_gallery")}
      </Button>
    </Alert>
  );
}
