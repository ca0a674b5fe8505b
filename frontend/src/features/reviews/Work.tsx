import {
  Alert,
  Button,
  Grid,
  Group,
  Kbd,
  Stack,
  Switch,
  Text,
  Textarea,
  Title,
  VisuallyHidden,
} from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { notifications } from "@mantine/notifications";
import { IconChecks, IconKeyboard } from "@tabler/icons-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { api, http } from "../../shared/api/client";
import { Empty, ErrorState, Loading, useSentence } from "../../shared/ui/states";
import { Unsaved } from "../../shared/ui/Unsaved";
import { type User, useHere } from "../session/session";
import { Candidates, OtherPhotos, PersonLink, QualityTable, useName } from "./Beside";
import { Compare } from "./Compare";
import classes from "./Compare.module.css";
import { useFace, useFacesOf, useSubjectQuality } from "./faces";
import { KeysHelp } from "./KeysHelp";
import { type Command, commandOf, isElsewhere } from "./keys";
import { faceImage, photoImage, subjectImage } from "./pictures";
import type { Review, Verdict } from "./queue";
import { useTexts } from "./texts";
import { type Filters, useQueue } from "./useQueue";
import { panned, type View, WHOLE, zoomed } from "./view";

const route = getRouteApi("/reviews");
type Work = ReturnType<typeof useQueue>;

/** The queue, one review after the other. */
export function WorkOn({ filters, others }: { filters: Filters; others: number }) {
  const work = useQueue(filters);
  const [isHelp, help] = useDisclosure();
  useAskedFor(work);
  const { list, current } = work;
  // With a review on the screen it is its keys that count.
  useKeys((command) => {
    if (command.do === "undo") work.undo();
    if (command.do === "help") help.open();
  }, current === null);
  if (list.isError && !list.data) return <ErrorState error={list.error} retry={list.refetch} />;
  if (list.isPending) return <Loading />;
  return (
    <Stack gap="sm">
      <VisuallyHidden role="status">{work.announced}</VisuallyHidden>
      <Unsent work={work} />
      {current === null ? (
        <Nothing work={work} filters={filters} others={others} />
      ) : (
        <One
          key={`${current.id} ${current.undone_because}`}
          review={current}
          work={work}
          help={help.open}
        />
      )}
      <KeysHelp isOpen={isHelp} close={help.close} />
    </Stack>
  );
}

/** A review that a link asks for comes first. */
function useAskedFor({ show }: Work) {
  const { review: id } = route.useSearch();
  const navigate = route.useNavigate();
  const { data } = api.useQuery(
    "get",
    "/api/v1/reviews/{id}",
    { params: { path: { id: id ?? "" } } },
    { enabled: id !== undefined },
  );
  useEffect(() => {
    if (data === undefined || id === undefined) return;
    if (data.state === "open" && !data.answered) {
      show(data);
      void navigate({ search: {}, replace: true });
    } else {
      void navigate({ search: { tab: "decided" }, replace: true });
    }
  }, [data, id, show, navigate]);
}

function useKeys(act: (command: Command) => void, isOn = true) {
  const latest = useRef(act);
  useEffect(() => {
    latest.current = act;
  });
  useEffect(() => {
    if (!isOn) return;
    const press = (event: KeyboardEvent) => {
      if (event.defaultPrevented || isElsewhere(event.target)) return;
      const command = commandOf(event);
      const target = event.target instanceof Element ? event.target : null;
      if (command === null) return;
      // Arrows move among tabs and radios where one stands on such.
      if (command.do === "pan" && target?.closest("[role=tab], [type=radio]")) return;
      event.preventDefault();
      latest.current(command);
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  }, [isOn]);
}

function Unsent({ work }: { work: Work }) {
  const { t } = useTexts();
  const { unsent } = work;
  if (unsent.length === 0) return null;
  return (
    <Alert color="orange" role="alert">
      <Unsaved text={t("sent.waiting", { count: unsent.length })} />
      <Group justify="space-between">
        <Text size="sm">{t("sent.waiting", { count: unsent.length })}</Text>
        <Group gap="xs">
          <Button size="xs" onClick={work.sendAgain}>
            {t("sent.again")}
          </Button>
          <Button size="xs" variant="default" onClick={work.drop}>
            {t("sent.drop")}
          </Button>
        </Group>
      </Group>
    </Alert>
  );
}

function Nothing({ work, filters, others }: { work: Work; filters: Filters; others: number }) {
  const { t } = useTexts();
  const navigate = route.useNavigate();
  const isFiltered = filters.kind !== undefined || filters.who !== undefined;
  return (
    <Empty icon={<IconChecks size={40} aria-hidden />} title={t("empty.title")}>
      <Text size="sm">{isFiltered ? t("empty.filtered") : t("empty.text", { others })}</Text>
      {isFiltered && (
        <Button variant="light" onClick={() => void navigate({ search: {} })}>
          {t("empty.all_kinds")}
        </Button>
      )}
      {work.skipped > 0 && (
        <>
          <Text size="sm">{t("empty.skipped", { count: work.skipped })}</Text>
          <Button variant="light" onClick={work.showSkipped}>
            {t("empty.again")}
          </Button>
        </>
      )}
      <Button variant="default" onClick={work.undo}>
        {t("button.undo")}
      </Button>
    </Empty>
  );
}

/** One review: the question, the pair, whom it may be, and what follows. */
function One({ review, work, help }: { review: Review; work: Work; help: () => void }) {
  const { t } = useTexts();
  const name = useName();
  const note = useRef<HTMLTextAreaElement>(null);
  const [words, setWords] = useState("");
  const [chosen, setChosen] = useState(0);
  const [isWhole, setWhole] = useState(false);
  const [view, setView] = useState<View>(WHOLE);
  const [other, setOther] = useState<string | null>(null);
  const [seen, setSeen] = useState<string[]>([]);
  const assign = useAssign(review);
  const { user } = useHere();

  const candidate = review.candidates[chosen] ?? review.candidates[0];
  const person = candidate?.person ?? null;
  const faces = useFacesOf(person?.id ?? null).map(({ id }) => id);
  const face = other ?? candidate?.face ?? null;
  const pictures = usePictures(review, face, isWhole);
  const subject = review.kind === "search" ? "" : name(review.person);
  // Nobody decides on what they don't see yet.
  const isSeen = [pictures.left, pictures.right].every(
    (each) => each === null || seen.includes(each),
  );

  const choose = (place: number) => {
    if (place >= review.candidates.length) return;
    setChosen(place);
    setOther(null);
  };
  const decide = (verdict: Verdict) => {
    if (!isSeen || (verdict === "same" && person === null)) return;
    const whom = verdict === "same" ? (person?.id ?? null) : null;
    work.decide({ review, verdict, person: whom, note: words.trim() });
  };
  const turn = (by: number) => {
    const place = faces.indexOf(face ?? "");
    const next = faces[(place + by + faces.length) % faces.length];
    if (next !== undefined) setOther(next);
  };

  useKeys((command) => {
    if (command.do === "decide") decide(command.verdict);
    if (command.do === "skip") work.skip();
    if (command.do === "undo") work.undo();
    if (command.do === "help") help();
    if (command.do === "whole") setWhole((before) => !before);
    if (command.do === "note") note.current?.focus();
    if (command.do === "assign") assign.mutate();
    if (command.do === "choose") choose(command.place);
    if (command.do === "photo" && faces.length > 0) turn(command.by);
    if (command.do === "zoom") setView((now) => zoomed(now, command.factor));
    if (command.do === "pan") setView((now) => panned(now, command.x, command.y));
    if (command.do === "whole-picture") setView(WHOLE);
  });

  const what = { left: t(`subject.${review.kind}`), right: t(`other.${review.kind}`) };
  return (
    <Grid gap="md">
      <Grid.Col span={{ base: 12, lg: 8 }}>
        <Stack gap="xs">
          <Title order={2} size="h4">
            {t(`question.${review.kind}`, { name: name(person), subject })}
          </Title>
          <Notes review={review} />
          <Compare
            left={{ source: pictures.left, what: what.left, name: subject }}
            right={{ source: pictures.right, what: what.right, name: name(person) }}
            view={view}
            change={setView}
            seen={(source) => setSeen((before) => [...before, source])}
          />
          <Group justify="space-between">
            <OtherPhotos name={name(person)} faces={faces} shown={face} show={setOther} />
            <Switch
              label={t("whole")}
              checked={isWhole}
              onChange={(event) => setWhole(event.currentTarget.checked)}
            />
          </Group>
          <Verdicts review={review} name={name(person)} isReady={isSeen} decide={decide} />
          <Group gap="xs">
            <Button size="xs" variant="default" onClick={work.skip} rightSection={<Kbd>N</Kbd>}>
              {t("button.skip")}
            </Button>
            <Button size="xs" variant="default" onClick={work.undo} rightSection={<Kbd>Z</Kbd>}>
              {t("button.undo")}
            </Button>
            <Button
              size="xs"
              variant="default"
              onClick={() => assign.mutate()}
              loading={assign.isPending}
              rightSection={<Kbd>A</Kbd>}
            >
              {t(isMine(review, user) ? "unassign" : "assign")}
            </Button>
            <Button
              size="xs"
              variant="subtle"
              onClick={help}
              leftSection={<IconKeyboard size={16} aria-hidden />}
            >
              {t("keys.button")}
            </Button>
          </Group>
        </Stack>
      </Grid.Col>
      <Grid.Col span={{ base: 12, lg: 4 }}>
        <Stack>
          <Candidates review={review} chosen={chosen} choose={choose} />
          <Group gap="xs">
            {review.kind === "duplicate" && review.person && <PersonLink person={review.person} />}
            {person && <PersonLink person={person} />}
          </Group>
          <BothQualities review={review} face={face} titles={[what.left, what.right]} />
          <Textarea
            ref={note}
            label={t("note")}
            description={t("note_hint")}
            maxLength={2000}
            autosize
            minRows={2}
            maxRows={5}
            value={words}
            onChange={(event) => setWords(event.currentTarget.value)}
            onKeyDown={(event) => event.key === "Escape" && event.currentTarget.blur()}
          />
        </Stack>
      </Grid.Col>
    </Grid>
  );
}

function BothQualities(props: { review: Review; face: string | null; titles: [string, string] }) {
  const left = useSubjectQuality(props.review);
  const right = useFace(props.face).data?.quality ?? {};
  return <QualityTable left={left} right={right} titles={props.titles} />;
}

/** The pictures to compare: faces, or the photos they are on as far as these are kept. */
function usePictures(review: Review, face: string | null, isWhole: boolean) {
  const left = useFace(review.kind === "search" ? null : review.face);
  const right = useFace(face);
  const of = (photo: string | undefined, cut: string | null) =>
    isWhole && photo ? photoImage(photo) : cut;
  return {
    left: of(left.data?.photo, subjectImage(review)),
    right: of(right.data?.photo, face === null ? null : faceImage(face)),
  };
}

function isMine(review: Review, user: User): boolean {
  return review.assigned_to === `user:${user.id}`;
}

function useAssign(review: Review) {
  const queries = useQueryClient();
  const sentence = useSentence();
  const { user } = useHere();
  return useMutation({
    mutationFn: () =>
      http.POST("/api/v1/reviews/{id}/assign", {
        params: { path: { id: review.id } },
        body: { to: isMine(review, user) ? null : "me" },
      }),
    onError: (error) => notifications.show({ color: "orange", message: sentence(error) }),
    onSettled: () => queries.invalidateQueries(),
  });
}

function Notes({ review }: { review: Review }) {
  const { t } = useTexts();
  const { user } = useHere();
  const isReopened = Boolean(review.undone_because) || review.opinions.length > 0;
  const reason = review.undone_because;
  return (
    <>
      {(review.reviewers ?? 1) > 1 && <Text size="sm">{t("two", { given: review.given })}</Text>}
      {isReopened && (
        <Text size="sm">{reason ? t("reopened", { reason }) : t("reopened_plain")}</Text>
      )}
      {review.assigned_to && (
        <Text size="sm">{t(isMine(review, user) ? "assigned" : "assigned_other")}</Text>
      )}
    </>
  );
}

const LOOKS = {
  same: { color: "green", key: "S" },
  different: { color: "red", key: "D" },
  unsure: { color: "gray", key: "U" },
} as const;

function Verdicts(props: {
  review: Review;
  name: string;
  isReady: boolean;
  decide: (verdict: Verdict) => void;
}) {
  const { t } = useTexts();
  const { review } = props;
  const labels: Record<Verdict, string> = {
    same: t("button.same", { name: props.name }),
    different: t(review.candidates.length > 1 ? "button.different_other" : "button.different_one"),
    unsure: t("button.unsure"),
  };
  return (
    <Grid gap="xs">
      {(["same", "different", "unsure"] as const).map((verdict) => (
        <Grid.Col key={verdict} span={4}>
          <Button
            fullWidth
            variant="light"
            className={classes.verdict}
            color={LOOKS[verdict].color}
            disabled={!props.isReady}
            aria-describedby={`then-${verdict}`}
            onClick={() => props.decide(verdict)}
            rightSection={<Kbd>{LOOKS[verdict].key}</Kbd>}
          >
            {labels[verdict]}
          </Button>
          <Text size="xs" id={`then-${verdict}`} mt={4}>
            {t(`then.${review.kind}.${verdict}`)}
          </Text>
        </Grid.Col>
      ))}
    </Grid>
  );
}
