import { Alert, Anchor, Button, Grid, Group, Modal, Stack, Table, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { http } from "../../shared/api/client";
import { dateTime, percent } from "../../shared/lib/format";
import { PhotoStateBadge } from "../../shared/ui/badges";
import { PhotoWithBoxes } from "../../shared/ui/PhotoWithBoxes";
import { useSentence } from "../../shared/ui/states";
import {
  boxText,
  calledBy,
  canBeProcessed,
  type Face,
  faceColor,
  type Person,
  type Photo,
} from "./person";
import { refreshPeople } from "./refresh";
import { useRoleIn } from "./roles";
import { TEXTS } from "./texts";
import { useReasonText } from "./useReasonText";

/** A photo large, each of its faces with its figures; and the choice among them. */
export function PhotoDialog(props: {
  person: Person;
  photo: Photo | undefined;
  close: () => void;
}) {
  const { t } = useTranslation(TEXTS);
  return (
    <Modal
      opened={props.photo !== undefined}
      onClose={props.close}
      title={t("photos.one")}
      size="xl"
    >
      {props.photo && <Shown key={props.photo.id} {...props} photo={props.photo} />}
    </Modal>
  );
}

function Shown({ person, photo, close }: { person: Person; photo: Photo; close: () => void }) {
  const { t } = useTranslation(TEXTS);
  const reason = useReasonText();
  const sentence = useSentence();
  const queries = useQueryClient();
  const mayEnrol = useRoleIn(person.gallery)("operator");
  const enrolled = photo.faces.findIndex((face) => face.enrolled);
  const [chosen, setChosen] = useState(enrolled);
  const face = photo.faces[chosen];
  const mayChoose = mayEnrol && canBeProcessed(photo);
  const said = reason(photo);

  const process = useMutation({
    mutationFn: (box: Face["box"]) =>
      http.POST("/api/v1/photos/{id}/process", {
        params: { path: { id: photo.id } },
        body: { box: boxText(box) },
      }),
    onSuccess: async () => {
      close();
      await refreshPeople(queries);
    },
  });

  return (
    <Grid gap="md">
      <Grid.Col span={{ base: 12, sm: 8 }}>
        <PhotoWithBoxes
          src={`/api/v1/photos/${photo.id}/image`}
          alt={t("common:photo_of", { name: calledBy(person) ?? t("common:unnamed") })}
          width={photo.width}
          height={photo.height}
          boxes={photo.faces.map((each) => ({ ...each.box, color: faceColor(each) }))}
          chosen={chosen}
          onChoose={setChosen}
        />
      </Grid.Col>
      <Grid.Col span={{ base: 12, sm: 4 }}>
        <Stack gap="sm">
          <Group gap="xs">
            <PhotoStateBadge state={photo.state} />
            <Text size="xs">{dateTime(photo.created_at)}</Text>
          </Group>
          {said && <Text size="sm">{said}</Text>}
          {photo.faces.length > 1 && (
            <Text size="sm">
              {t(mayChoose ? "photos.choose_text" : "photos.look_text", {
                count: photo.faces.length,
              })}
            </Text>
          )}
          {face && <FaceFigures face={face} number={chosen + 1} />}
          {process.isError && (
            <Alert color="red" role="alert">
              {sentence(process.error)}
            </Alert>
          )}
          {mayChoose && photo.faces.length > 0 && (
            <Button
              disabled={face === undefined}
              loading={process.isPending}
              onClick={() => face && process.mutate(face.box)}
            >
              {t("photos.use_face")}
            </Button>
          )}
          {mayEnrol && (
            <Anchor href={`/api/v1/photos/${photo.id}/original`} download size="sm">
              {t("photos.original")}
            </Anchor>
          )}
        </Stack>
      </Grid.Col>
    </Grid>
  );
}

function FaceFigures({ face, number }: { face: Face; number: number }) {
  const { t, i18n } = useTranslation(TEXTS);
  const { quality } = face;
  const unused = face.unused_because;
  const figures: [string, string][] = [
    [t("common:quality.quality"), percent(quality.score ?? 0, 0)],
    [t("common:quality.size"), t("photos.pixels", { count: Math.round(face.box.width) })],
    [t("common:quality.focus"), percent(quality.focus ?? 0, 0)],
    [t("common:quality.brightness"), percent(quality.brightness ?? 0, 0)],
    [t("common:quality.contrast"), percent(quality.contrast ?? 0, 0)],
    [t("common:quality.yaw"), `${Math.round(Math.abs(quality.yaw ?? 0))}°`],
  ];
  return (
    <div aria-live="polite">
      <Text size="sm" fw={600}>
        {t("common:face_n", { number })}
        {": "}
        {face.enrolled
          ? t("photos.counts")
          : unused !== "" && i18n.exists(`people:unused.${unused}`)
            ? t(`unused.${unused as "not_chosen"}`)
            : t("photos.counts_not")}
      </Text>
      <Table variant="vertical" layout="auto" withRowBorders={false} verticalSpacing={2} fz="sm">
        <Table.Tbody>
          {figures.map(([name, value]) => (
            <Table.Tr key={name}>
              <Table.Th fw={500}>{name}</Table.Th>
              <Table.Td ta="end">{value}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </div>
  );
}
