import { Loader } from "@mantine/core";
import { IconPhotoX } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { DecisionBadge } from "../../shared/ui/badges";
import classes from "./lookup.module.css";
import type { Entry } from "./lookups";
import { telling } from "./words";

/** All photos of the page with each one's decision, to choose which is looked at. */
export function Strip(props: {
  entries: readonly Entry[];
  chosen: number | null;
  choose: (id: number) => void;
}) {
  const { t } = useTranslation("lookup");
  return (
    <ul className={classes.strip} aria-label={t("photos")}>
      {props.entries.map((entry) => (
        <li key={entry.id}>
          <button
            type="button"
            className={classes.thumb}
            aria-pressed={entry.id === props.chosen}
            onClick={() => props.choose(entry.id)}
          >
            <Thumb url={entry.url} />
            <span className={classes.name} title={entry.name}>
              <bdi>{entry.name}</bdi>
            </span>
            <Standing entry={entry} />
          </button>
        </li>
      ))}
    </ul>
  );
}

function Thumb({ url }: { url: string }) {
  const [isBroken, setBroken] = useState(url === "");
  if (isBroken) {
    return (
      <span className={classes.thumbPhoto}>
        <IconPhotoX size={28} aria-hidden />
      </span>
    );
  }
  return <img src={url} alt="" className={classes.thumbPhoto} onError={() => setBroken(true)} />;
}

/** How far a photo is: its decision in the end. */
function Standing({ entry }: { entry: Entry }) {
  const { t } = useTranslation("lookup");
  const { progress } = entry;
  if (progress.state === "working") {
    return (
      <span className={classes.name}>
        <Loader size={12} mr={4} aria-hidden /> {t("state.working")}
      </span>
    );
  }
  if (progress.state !== "done")
    return <span className={classes.name}>{t(`state.${progress.state}`)}</span>;
  const { faces } = progress.answer;
  if (faces.length === 0) return <span className={classes.name}>{t("no_face.short")}</span>;
  return <DecisionBadge decision={faces[telling(faces)]?.decision ?? null} size="sm" />;
}
