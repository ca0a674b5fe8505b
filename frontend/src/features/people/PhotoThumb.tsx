import { useTranslation } from "react-i18next";
import classes from "./Person.module.css";
import { faceColor, type Photo } from "./person";
import { TEXTS } from "./texts";

const HEIGHT = 170;

/** A small photo with frames on its faces; the whole of it is one button. */
export function PhotoThumb({ photo, open }: { photo: Photo; open: () => void }) {
  const { t } = useTranslation(TEXTS);
  const { width, height } = photo;
  return (
    <button
      type="button"
      className={classes.thumb}
      aria-label={t("photos.open", { count: photo.faces.length })}
      onClick={open}
    >
      <span
        className={classes.frame}
        style={{
          aspectRatio: `${width} / ${height}`,
          width: `min(100%, ${(HEIGHT * width) / height}px)`,
        }}
      >
        <img src={`/api/v1/photos/${photo.id}/image`} alt="" loading="lazy" decoding="async" />
        {photo.faces.map((face) => (
          <span
            key={face.id}
            className={classes.box}
            style={{
              left: `${(100 * face.box.x) / width}%`,
              top: `${(100 * face.box.y) / height}%`,
              width: `${(100 * face.box.width) / width}%`,
              height: `${(100 * face.box.height) / height}%`,
              borderColor: `var(--mantine-color-${faceColor(face)}-5)`,
            }}
          />
        ))}
      </span>
    </button>
  );
}
