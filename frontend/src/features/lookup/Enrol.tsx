import { Alert, Button, Group, Loader, Modal, Stack, Text, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, type Schemas } from "../../shared/api/client";
import { PhotoStateBadge } from "../../shared/ui/badges";
import { AnchorLink } from "../../shared/ui/links";
import { useSentence } from "../../shared/ui/states";
import { useHere } from "../session/session";
import { FaceCrop } from "./FaceCrop";
import type { Entry, LookedUp } from "./lookups";
import { makePerson, sendPhoto } from "./requests";
import { isKnown } from "./words";

/** Make a person of a face that was looked up, with the same photo. */
export function Enrol(props: { entry: Entry; face: LookedUp; close: () => void }) {
  const { t } = useTranslation(["lookup", "common"]);
  const { entry, face } = props;
  const { gallery } = useHere();
  const sentence = useSentence();
  const queries = useQueryClient();
  const [name, setName] = useState("");
  const [reference, setReference] = useState("");
  const [person, setPerson] = useState<string | null>(null);
  const [photo, setPhoto] = useState<Schemas["Photo"] | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      // If the photo fails the person is there already: only the photo is sent again.
      const id =
        person ??
        (await makePerson({
          gallery: gallery.id,
          name: name.trim(),
          external_id: reference.trim(),
        }));
      setPerson(id);
      setPhoto(await sendPhoto(id, entry.file, face.box));
      await queries.invalidateQueries({ queryKey: ["get", "/api/v1/people"] });
    } catch (failed) {
      setError(failed);
    } finally {
      setBusy(false);
    }
  };

  return (
    <Modal opened onClose={props.close} title={t("enrol.title", { gallery: gallery.name })}>
      {photo !== null && person !== null ? (
        <Enrolled person={person} photo={photo} close={props.close} />
      ) : (
        <form onSubmit={(event) => void submit(event)}>
          <Stack>
            <Group wrap="nowrap" align="flex-start">
              <div style={{ width: 96, flex: "none" }}>
                <ProbeCrop entry={entry} face={face} />
              </div>
              <Stack gap="xs" flex={1}>
                <TextInput
                  label={t("enrol.name")}
                  required
                  maxLength={300}
                  data-autofocus
                  value={name}
                  disabled={person !== null}
                  onChange={(event) => setName(event.currentTarget.value)}
                />
                <TextInput
                  label={t("enrol.reference")}
                  description={t("enrol.reference_hint")}
                  maxLength={200}
                  value={reference}
                  disabled={person !== null}
                  onChange={(event) => setReference(event.currentTarget.value)}
                />
              </Stack>
            </Group>
            {face.quality_problems.length > 0 && (
              <Alert color="orange" title={t("enrol.will_be_refused")}>
                {face.quality_problems.map(({ code, text }) => (
                  <Text key={code} size="sm">
                    {isKnown(code) ? t(`fault.${code}`) : text}
                  </Text>
                ))}
              </Alert>
            )}
            {error !== null && (
              <Alert color="red" role="alert">
                {sentence(error)} {person !== null && t("enrol.only_the_photo")}
              </Alert>
            )}
            <Group justify="flex-end">
              <Button variant="default" onClick={props.close}>
                {t("common:action.cancel")}
              </Button>
              <Button type="submit" loading={isBusy}>
                {t("enrol.submit")}
              </Button>
            </Group>
          </Stack>
        </form>
      )}
    </Modal>
  );
}

function ProbeCrop({ entry, face }: { entry: Entry; face: LookedUp }) {
  const { t } = useTranslation("lookup");
  if (entry.progress.state !== "done") return null;
  const { photo } = entry.progress.answer;
  return <FaceCrop src={entry.url} alt={t("compare.probe")} photo={photo} box={face.box} />;
}

const UNDER_WAY = ["received", "processing"];

/** What became of the photo: a worker takes it, so it is asked for until it has. */
function Enrolled(props: { person: string; photo: Schemas["Photo"]; close: () => void }) {
  const { t } = useTranslation(["lookup", "common"]);
  const found = api.useQuery(
    "get",
    "/api/v1/photos/{id}",
    { params: { path: { id: props.photo.id } } },
    {
      initialData: props.photo,
      staleTime: 0,
      refetchInterval: ({ state }) => (UNDER_WAY.includes(state.data?.state ?? "") ? 700 : false),
    },
  );
  const photo = found.data ?? props.photo;
  const isUnderWay = UNDER_WAY.includes(photo.state);
  return (
    <Stack>
      <Group gap="xs" role="status">
        {isUnderWay && <Loader size="xs" aria-hidden />}
        <PhotoStateBadge state={photo.state} />
        <Text size="sm">{isUnderWay ? t("enrol.under_way") : photo.text || t("enrol.done")}</Text>
      </Group>
      <Group justify="space-between">
        <AnchorLink to="/people/$person" params={{ person: props.person }}>
          {t("enrol.open")}
        </AnchorLink>
        <Button onClick={props.close}>{t("common:action.close")}</Button>
      </Group>
    </Stack>
  );
}
