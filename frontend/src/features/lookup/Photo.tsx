import { Button, Text } from "@mantine/core";
import { IconPhotoX } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { DECISIONS, DecisionBadge } from "../../shared/ui/badges";
import { PhotoWithBoxes } from "../../shared/ui/PhotoWithBoxes";
import classes from "./lookup.module.css";
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
  if (answer === null) return <Plain src={entry.url} alt={alt} />;
  const { width, height } = answer.photo;
  const label = (face: LookedUp, index: number) =>
    `${t("common:face_n", { number: index + 1 })}: ${t(`common:decision.${face.decision ?? "none"}`)}`;
  return (
    <>
      <div style={{ maxWidth: `calc(var(--photo-height) * ${width / height})` }}>
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
          maxHeight="var(--photo-height)"
        />
      </div>
      <Text size="xs" mt={6}>
        <bdi>{entry.name}</bdi> · {width} × {height}
      </Text>
      {answer.photo.first_frame_only && <Text size="sm">{t("first_frame")}</Text>}
      {answer.faces.length > 1 && (
        <Faces faces={answer.faces} chosen={entry.face} choose={props.onFace} />
      )}
    </>
  );
}

/** The photo before there is an answer; some formats the browser can't show. */
function Plain({ src, alt }: { src: string; alt: string }) {
  const [isBroken, setBroken] = useState(false);
  if (isBroken) {
    return (
      <div className={classes.noPreview} role="img" aria-label={alt}>
        <IconPhotoX size={48} stroke={1.4} aria-hidden />
      </div>
    );
  }
  return <img src={src} alt={alt} className={classes.plain} onError={() => setBroken(true)} />;
}

/** All faces by their number, each with its decision and who it may be. */
function Faces(props: { faces: LookedUp[]; chosen: number; choose: (face: number) => void }) {
  const { t } = useTranslation(["lookup", "common"]);
  return (
    <ul className={classes.faces} aria-label={t("several_faces", { count: props.faces.length })}>
      {props.faces.map((face, index) => {
        const isNamed = face.decision === "match" || face.decision === "review";
        const person = isNamed ? face.candidates[0]?.person : undefined;
        return (
          // biome-ignore lint/suspicious/noArrayIndexKey: faces have no other name than their number
          <li key={index}>
            <Button
              size="compact-sm"
              variant={props.chosen === index ? "light" : "default"}
              aria-pressed={props.chosen === index}
              onClick={() => props.choose(index)}
              rightSection={<DecisionBadge decision={face.decision} size="sm" />}
            >
              {index + 1} <bdi>{person?.name || person?.external_id}</bdi>
            </Button>
          </li>
        );
      })}
    </ul>
  );
}
