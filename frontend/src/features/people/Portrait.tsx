import { IconUser } from "@tabler/icons-react";
import { useEffect, useState } from "react";

/** Cutting a face out of its photo is work for the server: not for a card that flies past. */
const STAY_MS = 120;

/** Somebody's best face, or the outline of a person. The name stands beside it, so it has no text. */
export function Portrait(props: {
  face: string | null;
  className?: string | undefined;
  size?: number;
  /** Ask for it only once this has been in the page for a moment. */
  later?: boolean;
}) {
  const { face, later = false, size = 28 } = props;
  const [isDue, setDue] = useState(!later);
  const [isBroken, setBroken] = useState(false);
  useEffect(() => {
    if (isDue || face === null) return;
    const timer = setTimeout(() => setDue(true), STAY_MS);
    return () => clearTimeout(timer);
  }, [isDue, face]);
  return (
    <span className={props.className}>
      {face !== null && isDue && !isBroken ? (
        <img
          src={`/api/v1/faces/${face}/image`}
          alt=""
          decoding="async"
          onError={() => setBroken(true)}
        />
      ) : (
        <IconUser size={size} aria-hidden />
      )}
    </span>
  );
}
