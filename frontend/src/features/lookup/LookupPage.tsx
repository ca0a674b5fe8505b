import "./texts";
import { Alert, Button, Group, Loader, Stack, Text, VisuallyHidden } from "@mantine/core";
import { IconCamera, IconPhotoSearch, IconPhotoUp, IconRefresh, IconX } from "@tabler/icons-react";
import { lazy, type ReactNode, Suspense, useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { ProblemError } from "../../shared/api/problems";
import { bytes, count } from "../../shared/lib/format";
import { AnchorLink } from "../../shared/ui/links";
import { ErrorState, Page } from "../../shared/ui/states";
import { useHere } from "../session/session";
import { Ask, useQuestion } from "./Ask";
import { FaceResult } from "./FaceResult";
import type { Dropped } from "./files";
import classes from "./lookup.module.css";
import { type Entry, type Lookups, MOST } from "./lookups";
import { NobodyYet } from "./NobodyYet";
import { Photo } from "./Photo";
import { Strip } from "./Strip";
import { useIntake } from "./useIntake";
import { useLookups } from "./useLookups";
import { knownProblem } from "./words";

const Camera = lazy(() => import("./Camera").then((part) => ({ default: part.Camera })));

/** Look faces up: photos in, decisions out. */
export function LookupPage() {
  const { t } = useTranslation(["lookup", "common"]);
  const { gallery } = useHere();
  const { lookups, entries, chosen } = useLookups();
  const question = useQuestion(lookups);
  const [isCamera, setCamera] = useState(false);
  const [leftOut, setLeftOut] = useState(0);

  const take = ({ files, folders }: Dropped) => {
    question.give();
    setLeftOut(lookups.add(files, folders));
  };
  const clear = () => {
    setLeftOut(0);
    lookups.clear();
  };
  const isOver = useIntake(take, clear);
  const entry = entries.find(({ id }) => id === chosen);
  const waiting = entries.filter(({ progress }) => progress.state === "waiting").length;

  const choices = (
    <Choices take={(files) => take({ files, folders: [] })} openCamera={() => setCamera(true)} />
  );
  return (
    <Page
      title={t("common:nav.lookup")}
      actions={
        <AnchorLink to="/lookups" size="sm">
          {t("history.link")}
        </AnchorLink>
      }
    >
      <Ask question={question} waiting={waiting} />
      {entry === undefined ? (
        <>
          <div className={classes.dropArea}>
            <IconPhotoSearch size={48} stroke={1.4} aria-hidden />
            <Text fw={600}>
              {t("start.title")} <bdi>{gallery.name}</bdi>
            </Text>
            <Text size="sm">{t("start.how")}</Text>
            <Group gap="xs" justify="center">
              {choices}
            </Group>
          </div>
          <NobodyYet />
        </>
      ) : (
        <>
          <Group gap="xs">
            {choices}
            {entry.progress.state !== "refused" && (
              <Button
                size="xs"
                variant="default"
                leftSection={<IconRefresh size={16} aria-hidden />}
                onClick={() => {
                  question.give();
                  lookups.again(entry.id);
                }}
              >
                {t("act.again")}
              </Button>
            )}
            {entries.length > 1 && (
              <Button size="xs" variant="default" onClick={() => lookups.remove(entry.id)}>
                {t("act.remove")}
              </Button>
            )}
            <Button
              size="xs"
              variant="default"
              leftSection={<IconX size={16} aria-hidden />}
              onClick={clear}
            >
              {t("act.clear")}
            </Button>
          </Group>
          {leftOut > 0 && (
            <Alert color="orange" role="alert">
              {t("too_many", { most: MOST, count: leftOut })}{" "}
              <AnchorLink to="/imports" size="sm">
                {t("common:nav.imports")}
              </AnchorLink>
            </Alert>
          )}
          {entries.length > 1 && (
            <Strip entries={entries} chosen={chosen} choose={(id) => lookups.choose(id)} />
          )}
          <Chosen key={entry.id} lookups={lookups} entry={entry} />
        </>
      )}
      <Announced entries={entries} entry={entry} />
      {isOver && (
        <div className={classes.dropping} aria-hidden>
          {t("start.drop")}
        </div>
      )}
      <Suspense>
        {isCamera && (
          <Camera
            take={(photo) => take({ files: [photo], folders: [] })}
            close={() => setCamera(false)}
          />
        )}
      </Suspense>
    </Page>
  );
}

function Choices(props: { take: (files: File[]) => void; openCamera: () => void }) {
  const { t } = useTranslation("lookup");
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <input
        ref={input}
        type="file"
        accept="image/*"
        multiple
        hidden
        aria-label={t("start.choose")}
        onChange={(event) => {
          props.take([...(event.currentTarget.files ?? [])]);
          // So that the same file can be chosen again.
          event.currentTarget.value = "";
        }}
      />
      <Button
        size="xs"
        leftSection={<IconPhotoUp size={16} aria-hidden />}
        onClick={() => input.current?.click()}
      >
        {t("start.choose")}
      </Button>
      <Button
        size="xs"
        variant="default"
        leftSection={<IconCamera size={16} aria-hidden />}
        onClick={props.openCamera}
      >
        {t("start.camera")}
      </Button>
    </>
  );
}

/** The photo that is looked at, and what came of it. */
function Chosen({ lookups, entry }: { lookups: Lookups; entry: Entry }) {
  const { progress } = entry;
  const answer = progress.state === "done" ? progress.answer : null;
  const face = answer?.faces[entry.face];
  if (progress.state === "refused") return <Outcome lookups={lookups} entry={entry} />;
  return (
    <div className={classes.columns}>
      <div className={classes.photoSide}>
        <Photo
          entry={entry}
          answer={answer}
          onFace={(number) => lookups.chooseFace(entry.id, number)}
        />
      </div>
      {answer !== null && face !== undefined ? (
        <FaceResult
          key={`${answer.search} ${entry.face}`}
          lookups={lookups}
          entry={entry}
          answer={answer}
          face={face}
        />
      ) : (
        <Outcome lookups={lookups} entry={entry} />
      )}
    </div>
  );
}

/** What there is to say while, or when, there is no face to show. */
function Outcome({ lookups, entry }: { lookups: Lookups; entry: Entry }) {
  const { t } = useTranslation(["lookup", "common"]);
  const { progress } = entry;
  switch (progress.state) {
    case "waiting":
      return <Text>{t("state.waiting")}</Text>;
    case "working":
      return (
        <Group gap="xs">
          <Loader size="sm" aria-hidden />
          <Text>{t("state.working_long")}</Text>
        </Group>
      );
    case "failed":
      return <Failed error={progress.error} retry={() => lookups.again(entry.id)} />;
    case "refused":
      return (
        <Told title={t("refused.title", { name: `\u2068${entry.name}\u2069` })}>
          <Text size="sm">{t(`refused.${progress.why}`, { size: bytes(entry.file.size) })}</Text>
          {progress.why === "folder" && (
            <AnchorLink to="/imports" size="sm">
              {t("common:nav.imports")}
            </AnchorLink>
          )}
        </Told>
      );
    case "done":
      return (
        <Told title={t("no_face.title")}>
          <Text size="sm">{t("no_face.text")}</Text>
        </Told>
      );
  }
}

/** Why the server didn't answer as wished, in the page's language where it is known. */
function Failed({ error, retry }: { error: unknown; retry: () => void }) {
  const { t } = useTranslation(["lookup", "common"]);
  const code = error instanceof ProblemError ? knownProblem(error.code) : undefined;
  if (code === undefined) return <ErrorState error={error} retry={retry} />;
  const mayPass = code === "index_unavailable" || code === "index_not_ready";
  return (
    <Alert color="red" role="alert" title={t("state.refused")}>
      <Stack gap="xs" align="flex-start">
        <Text size="sm">{t(`problem.${code}`)}</Text>
        {mayPass && (
          <Button size="xs" variant="default" onClick={retry}>
            {t("common:state.retry")}
          </Button>
        )}
      </Stack>
    </Alert>
  );
}

function Told({ title, children }: { title: string; children: ReactNode }) {
  return (
    <Alert color="orange" title={title}>
      <Stack gap={4} align="flex-start">
        {children}
      </Stack>
    </Alert>
  );
}

/** Says to who can't see the page what came of the photo, and how many are done. */
function Announced({ entries, entry }: { entries: readonly Entry[]; entry: Entry | undefined }) {
  const { t } = useTranslation(["lookup", "common"]);
  const progress = entry?.progress;
  const search = progress?.state === "done" ? progress.answer.search : null;
  useEffect(() => {
    if (search === null) return undefined;
    // After the frame in which it is painted, so that what is measured is what is seen.
    let timer: ReturnType<typeof setTimeout>;
    const frame = requestAnimationFrame(() => {
      timer = setTimeout(() => performance.measure("lookup:shown", "lookup:answered"));
    });
    return () => {
      cancelAnimationFrame(frame);
      clearTimeout(timer);
    };
  }, [search]);

  const said: string[] = [];
  if (progress?.state === "working") said.push(t("state.working_long"));
  if (progress?.state === "refused")
    said.push(t(`refused.${progress.why}`, { size: bytes(entry?.file.size ?? 0) }));
  if (progress?.state === "done") {
    const { faces } = progress.answer;
    if (faces.length === 0) said.push(t("no_face.title"));
    faces.forEach((face, index) => {
      const best = face.candidates[0]?.person;
      const isNamed = face.decision === "match" || face.decision === "review";
      const name = isNamed ? best?.name || best?.external_id : "";
      const decision = t(`common:decision.${face.decision ?? "none"}`);
      said.push(
        `${t("common:face_n", { number: index + 1 })}: ${decision}${name ? `, ${name}` : ""}.`,
      );
    });
  }
  if (entries.length > 1) {
    const done = entries.filter(
      ({ progress: { state } }) => state !== "waiting" && state !== "working",
    );
    said.push(t("announced", { done: count(done.length), all: count(entries.length) }));
  }
  return (
    <VisuallyHidden role="status" aria-live="polite">
      {said.join(" ")}
    </VisuallyHidden>
  );
}
