import { useTranslation } from "react-i18next";
import classes from "./PhotoWithBoxes.module.css";

export interface FaceBox {
  x: number;
  y: number;
  width: number;
  height: number;
  color?: string;
  label?: string;
}

/**
 * A photo with a frame on each face, in the photo's own pixels; each frame is a button.
 *
 * `width` and `height` are those of the photo that the boxes were measured in.
 */
export function PhotoWithBoxes(props: {
  src: string;
  alt: string;
  width: number;
  height: number;
  boxes: FaceBox[];
  chosen?: number;
  onChoose?: (index: number) => void;
  maxHeight?: number | string;
}) {
  const { t } = useTranslation();
  const { width, height, boxes, onChoose, maxHeight = "70vh" } = props;
  const limit = typeof maxHeight === "number" ? `${maxHeight}px` : maxHeight;
  return (
    <div
      className={classes.frame}
      // By its width: a height alone would let the frame, and the photo in it, lose its shape.
      style={{
        aspectRatio: `${width} / ${height}`,
        width: `min(100%, calc(${limit} * ${width / height}))`,
      }}
    >
      <img src={props.src} alt={props.alt} className={classes.photo} decoding="async" />
      {boxes.map((box, index) => (
        <button
          type="button"
          // biome-ignore lint/suspicious/noArrayIndexKey: faces have no other name than their number
          key={index}
          className={classes.box}
          disabled={onChoose === undefined}
          aria-pressed={props.chosen === index}
          aria-label={box.label ?? t("face_n", { number: index + 1 })}
          onClick={() => onChoose?.(index)}
          style={{
            left: `${(100 * box.x) / width}%`,
            top: `${(100 * box.y) / height}%`,
            width: `${(100 * box.width) / width}%`,
            height: `${(100 * box.height) / height}%`,
            borderColor: `var(--mantine-color-${box.color ?? "blue"}-5)`,
          }}
        >
          {boxes.length > 1 && <span className={classes.number}>{index + 1}</span>}
        </button>
      ))}
    </div>
  );
}
