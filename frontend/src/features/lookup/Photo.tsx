import { Badge, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { DECISIONS } from "../../shared/ui/badges";
import { PhotoWithBoxes } from "../../shared/ui/PhotoWithBoxes";
import type { Entry, Identification, LookedUp } from "./lookups";

/** The photo, and on each face a frame in its decision's colour. */
export function Photo(props: {
  entry: Entry;
  answer: Identification | null;
  onFace: (face: number) => void;
}) {
  const { t } = useTranslation(["lookup", "common"]);
  const { entry, answer } = props;
  const alt = t("photo_alt", { name: entry.name });
  if (answer === null) {
    return (
      <img
        src={entry.url}
        alt={alt}
        style={{ display: "block", maxWidth: "100%", maxHeight: "60vh" }}
      />
    );
  }
  const { width, height } = answer.photo;
  const label = (face: LookedUp, index: number) =>
    `${t("common:face_n", { number: index + 1 })}: ${t(`common:decision.${face.decision ?? "none"}`)}`;
  return (
    <>
      <div style={{ maxWidth: `calc(60vh * ${width / height})` }}>
        <PhotoWithBoxes
          src={entry.url}
          alt={alt}
          width={width}
          height={height}
          boxes={answer.faces.map((face, index) => ({
            ...face.box,
            color: face.decision === null ? "gray" : DECISIONS[face.decision].color,
            label: label(face, index),
          }))}
          chosen={entry.face}
          onChoose={props.onFace}
          maxHeight="60vh"
        />
      </div>
      <Text size="xs" mt={6}>
        <bdi>{entry.name}</bdi> · {width} × {height}
      </Text>
      {answer.faces.length > 1 && (
        <Text size="sm" mt={4}>
          <Badge variant="light" color="gray" mr={6}>
            {answer.faces.length}
          </Badge>
          {t("several_faces")}
        </Text>
      )}
      {answer.photo.first_frame_only && <Text size="sm">{t("first_frame")}</Text>}
    </>
  );
}
