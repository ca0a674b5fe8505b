import { ActionIcon, Group, Text } from "@mantine/core";
import { IconArrowsMaximize, IconZoomIn, IconZoomOut } from "@tabler/icons-react";
import { type PointerEvent, useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import classes from "./Compare.module.css";
import { ZOOM } from "./keys";
import { useTexts } from "./texts";
import { panned, type View, WHOLE, zoomed } from "./view";

export interface Shown {
  source: string | null;
  what: string;
  name: string;
}

type Change = (change: (view: View) => View) => void;

/** Two pictures side by side, which zoom and move together. */
export function Compare(props: {
  left: Shown;
  right: Shown;
  view: View;
  change: Change;
  /** Called when a picture is there to be looked at, or can't be had. */
  seen: (source: string) => void;
}) {
  const { t } = useTexts();
  const { t: common } = useTranslation();
  const { view, change } = props;
  return (
    <div>
      <div className={classes.pair}>
        <Pane shown={props.left} view={view} change={change} seen={props.seen} />
        <Pane shown={props.right} view={view} change={change} seen={props.seen} />
      </div>
      <Group gap={4} justify="center" mt={4} role="group" aria-label={t("zoom")}>
        <ActionIcon
          variant="default"
          aria-label={common("zoom.out")}
          onClick={() => change((now) => zoomed(now, 1 / ZOOM))}
        >
          <IconZoomOut size={16} aria-hidden />
        </ActionIcon>
        <Text size="xs" w={48} ta="center">
          {Math.round(view.scale * 100)} %
        </Text>
        <ActionIcon
          variant="default"
          aria-label={common("zoom.in")}
          onClick={() => change((now) => zoomed(now, ZOOM))}
        >
          <IconZoomIn size={16} aria-hidden />
        </ActionIcon>
        <ActionIcon
          variant="default"
          aria-label={common("zoom.reset")}
          onClick={() => change(() => WHOLE)}
        >
          <IconArrowsMaximize size={16} aria-hidden />
        </ActionIcon>
      </Group>
    </div>
  );
}

function Pane(props: { shown: Shown; view: View; change: Change; seen: (source: string) => void }) {
  const { t } = useTexts();
  const { shown, view, change, seen } = props;
  const pane = useRef<HTMLDivElement>(null);
  const { source } = shown;
  useWheel(pane, change);

  const drag = (event: PointerEvent<HTMLDivElement>) => {
    if (event.buttons !== 1) return;
    const { width, height } = event.currentTarget.getBoundingClientRect();
    change((now) => panned(now, event.movementX / width, event.movementY / height));
  };

  return (
    <figure style={{ margin: 0, minWidth: 0 }}>
      <figcaption>
        <Text size="sm" truncate>
          {shown.what}
          {shown.name && (
            <>
              {": "}
              <b>
                <bdi>{shown.name}</bdi>
              </b>
            </>
          )}
        </Text>
      </figcaption>
      <div
        ref={pane}
        className={classes.pane}
        onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
        onPointerMove={drag}
      >
        {source === null ? (
          <div className={classes.missing}>{t("no_picture")}</div>
        ) : (
          <Picture
            key={source}
            source={source}
            alt={t("pane", { what: shown.what, name: shown.name || "–" })}
            view={view}
            seen={seen}
          />
        )}
      </div>
    </figure>
  );
}

function Picture(props: {
  source: string;
  alt: string;
  view: View;
  seen: (source: string) => void;
}) {
  const { source, view, seen } = props;
  const { scale, x, y } = view;
  return (
    <img
      src={source}
      alt={props.alt}
      draggable={false}
      decoding="async"
      onLoad={() => seen(source)}
      onError={() => seen(source)}
      style={{ transform: `translate(${100 * x}%, ${100 * y}%) scale(${scale})` }}
    />
  );
}

/** React's own wheel events can't keep the page from scrolling. */
function useWheel(pane: React.RefObject<HTMLDivElement | null>, change: Change) {
  useEffect(() => {
    const frame = pane.current;
    if (frame === null) return;
    const turn = (event: WheelEvent) => {
      event.preventDefault();
      const { left, top, width, height } = frame.getBoundingClientRect();
      const [x, y] = [(event.clientX - left) / width - 0.5, (event.clientY - top) / height - 0.5];
      change((now) => zoomed(now, event.deltaY < 0 ? ZOOM : 1 / ZOOM, x, y));
    };
    frame.addEventListener("wheel", turn, { passive: false });
    return () => frame.removeEventListener("wheel", turn);
  }, [pane, change]);
}
