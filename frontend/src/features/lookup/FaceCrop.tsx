import type { Schemas } from "../../shared/api/client";
import classes from "./lookup.module.css";
import { cropOf } from "./words";

/** A face cut out of a photo that the browser has, framed as the server frames enrolled ones. */
export function FaceCrop(props: {
  src: string;
  alt: string;
  photo: { width: number; height: number };
  box: Schemas["Box"];
}) {
  const { photo } = props;
  const crop = cropOf(props.box, photo);
  return (
    <div className={classes.crop} style={{ aspectRatio: `${crop.width} / ${crop.height}` }}>
      <img
        src={props.src}
        alt={props.alt}
        draggable={false}
        style={{
          width: `${(100 * photo.width) / crop.width}%`,
          height: `${(100 * photo.height) / crop.height}%`,
          left: `${(-100 * crop.x) / crop.width}%`,
          top: `${(-100 * crop.y) / crop.height}%`,
        }}
      />
    </div>
  );
}
