import { Button, Checkbox, Group, Text } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { http, type Schemas } from "../../shared/api/client";
import { percent, score } from "../../shared/lib/format";
import { PhotoStateBadge } from "../../shared/ui/badges";
import { Confirmed } from "../../shared/ui/confirm";
import classes from "./Person.module.css";
import { PhotoThumb } from "./PhotoThumb";
import { canBeProcessed, isUnderWay, mainFace, type Person, type Photo } from "./person";
import { ReviewLink } from "./ReviewLink";
import { refreshPeople } from "./refresh";
import { useRoleIn } from "./roles";
import { TEXTS } from "./texts";
import { useReasonText } from "./useReasonText";

/** A photo: where it stands and why, how good its face is, and its part of the template. */
export function PhotoCard(props: {
  person: Person;
  photo: Photo;
  part: Schemas["TemplatePart"] | undefined;
  isChosen: boolean;
  toggle: (() => void) | undefined;
  open: () => void;
}) {
  const { t } = useTranslation(TEXTS);
  const reason = useReasonText();
  const queries = useQueryClient();
  const { photo, part, toggle, person } = props;
  const may = useRoleIn(person.gallery);
  const mayEnrol = may("operator");
  const quality = mainFace(photo)?.quality.score;
  const isAmbiguous = canBeProcessed(photo) && photo.faces.length > 1;
  const said = reason(photo);

  const remove = async () => {
    await http.DELETE("/api/v1/photos/{id}", { params: { path: { id: photo.id } } });
    await refreshPeople(queries);
  };

  return (
    <li className={props.isChosen ? `${classes.photo} ${classes.chosen}` : classes.photo}>
      <PhotoThumb photo={photo} open={props.open} />
      <Group gap="xs" justify="space-between" wrap="nowrap">
        <PhotoStateBadge state={photo.state} />
        {toggle && !isUnderWay(photo) && (
          <Checkbox
            size="xs"
            label={t("split.choose")}
            checked={props.isChosen}
            onChange={toggle}
          />
        )}
      </Group>
      {said && (
        <Text size="xs" lineClamp={4} title={said}>
          {said}
        </Text>
      )}
      {quality !== undefined && (
        <Text size="xs">
          {t("common:quality.quality")}: {percent(quality, 0)}
        </Text>
      )}
      {part && (
        <Text size="xs">
          {t("photos.part", { weight: percent(part.weight, 1), score: score(part.score) })}
        </Text>
      )}
      {photo.state === "review" && may("reviewer") && <ReviewLink />}
      {mayEnrol && (
        <Group gap={6} mt="auto">
          {isAmbiguous && (
            <Button size="compact-xs" variant="filled" onClick={props.open}>
              {t("photos.choose_face")}
            </Button>
          )}
          <Confirmed
            label={t("common:action.delete")}
            question={t("photos.delete_question")}
            act={remove}
            size="compact-xs"
            variant="subtle"
          >
            <Text size="sm">{t("photos.delete_text")}</Text>
          </Confirmed>
        </Group>
      )}
    </li>
  );
}
