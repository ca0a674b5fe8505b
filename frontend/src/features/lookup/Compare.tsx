import { Group, Modal, Slider, Switch, Text } from "@mantine/core";
import { type ReactNode, type Ref, type UIEvent, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../../shared/api/client";
import { score } from "../../shared/lib/format";
import type { Probe } from "./CandidateCard";
import { FaceCrop } from "./FaceCrop";
import classes from "./lookup.module.css";
import type { Candidate } from "./lookups";
import { cropOf } from "./words";

/** Both faces large, enlarged and moved together; or the whole photos. */
export function Compare(props: { probe: Probe; candidate: Candidate; close: () => void }) {
  const { t } = useTranslation(["lookup", "common"]);
  const { probe, candidate } = props;
  const { person, evidence } = candidate;
  const [zoom, setZoom] = useState(1);
  const [isWhole, setWhole] = useState(false);
  const [face, setFace] = useState(evidence?.face ?? null);
  const faces = api.useQuery("get", "/api/v1/faces", { params: { query: { person: person.id } } });
  const enrolled = (faces.data?.results ?? []).filter((each) => each.enrolled);
  const photo = enrolled.find(({ id }) => id === face)?.photo ?? evidence?.photo;
  const [ratio, setRatio] = useState(1);
  const crop = cropOf(probe.box, probe.photo);
  const own = isWhole ? probe.photo : crop;
  const left = useRef<HTMLElement>(null);
  const right = useRef<HTMLElement>(null);
  const name = person.name || person.external_id || t("common:unnamed");

  const follow = (event: UIEvent<HTMLElement>) => {
    const from = event.currentTarget;
    const to = from === left.current ? right.current : left.current;
    to?.scrollTo({ left: from.scrollLeft, top: from.scrollTop });
  };
  return (
    <Modal
      opened
      onClose={props.close}
      size="min(1100px, 94vw)"
      title={t("compare.title", { name })}
    >
      <div className={classes.panes}>
        <Pane
          ref={left}
          label={t("compare.probe")}
          zoom={zoom}
          ratio={own.width / own.height}
          follow={follow}
        >
          {isWhole ? (
            <img src={probe.src} alt={t("compare.probe")} className={classes.evidence} />
          ) : (
            <FaceCrop {...probe} alt={t("compare.probe")} />
          )}
        </Pane>
        <Pane
          ref={right}
          label={
            face === evidence?.face && evidence
              ? t("compare.most_alike", { score: score(evidence.score) })
              : t("compare.evidence")
          }
          zoom={zoom}
          ratio={ratio}
          follow={follow}
        >
          {face !== null && (
            <img
              src={
                isWhole && photo ? `/api/v1/photos/${photo}/image` : `/api/v1/faces/${face}/image`
              }
              alt={t("common:photo_of", { name })}
              className={classes.evidence}
              onLoad={({ currentTarget: image }) =>
                setRatio(image.naturalWidth / image.naturalHeight)
              }
            />
          )}
        </Pane>
      </div>
      <Group mt="sm" gap="lg" align="center">
        <Slider
          w={220}
          min={1}
          max={4}
          step={0.25}
          value={zoom}
          onChange={setZoom}
          label={(value) => `${value} ×`}
          thumbLabel={t("compare.zoom")}
        />
        <Switch
          label={t("common:zoom.reset")}
          checked={isWhole}
          onChange={(event) => setWhole(event.currentTarget.checked)}
        />
      </Group>
      {enrolled.length > 1 && (
        <>
          <Text size="sm" mt="sm" mb={4}>
            {t("compare.others")}
          </Text>
          <ul className={classes.faces}>
            {enrolled.map((each, index) => (
              <li key={each.id}>
                <button
                  type="button"
                  className={classes.faceButton}
                  aria-pressed={each.id === face}
                  aria-label={t("common:face_n", { number: index + 1 })}
                  onClick={() => setFace(each.id)}
                >
                  <img src={`/api/v1/faces/${each.id}/image`} alt="" className={classes.evidence} />
                </button>
              </li>
            ))}
          </ul>
        </>
      )}
    </Modal>
  );
}

/** A picture that can be larger than its frame. */
function Pane(props: {
  ref: Ref<HTMLElement>;
  label: string;
  zoom: number;
  /** The picture's width by its height: not enlarged, all of it is seen. */
  ratio: number;
  follow: (event: UIEvent<HTMLElement>) => void;
  children: ReactNode;
}) {
  return (
    <figure style={{ margin: 0 }}>
      <section
        ref={props.ref}
        className={classes.pane}
        onScroll={props.follow}
        aria-label={props.label}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: so that the arrow keys move it
        tabIndex={0}
      >
        <div
          style={{
            width: `calc(min(100cqw, ${props.ratio} * 100cqh) * ${props.zoom})`,
            margin: "auto",
          }}
        >
          {props.children}
        </div>
      </section>
      <Text component="figcaption" size="sm">
        {props.label}
      </Text>
    </figure>
  );
}
