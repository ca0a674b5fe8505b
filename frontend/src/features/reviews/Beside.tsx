import {
  Alert,
  Anchor,
  Badge,
  Group,
  Stack,
  Table,
  Text,
  Title,
  UnstyledButton,
} from "@mantine/core";
import { useTranslation } from "react-i18next";
import { count, oneIn, score } from "../../shared/lib/format";
import classes from "./Compare.module.css";
import type { Quality } from "./faces";
import { faceImage } from "./pictures";
import type { Review } from "./queue";
import { useTexts } from "./texts";

type Person = Review["candidates"][number]["person"];

/** What somebody is called. */
export function useName(): (person: Person | null) => string {
  const { t } = useTranslation();
  return (person) => person?.name || person?.external_id || t("unnamed");
}

/** Whom it may be, by score; the one shown is chosen. */
export function Candidates(props: {
  review: Review;
  chosen: number;
  choose: (place: number) => void;
}) {
  const { t } = useTexts();
  const name = useName();
  const { review } = props;
  const rate = review.kind === "misfit" ? "one_in_pair" : "one_in_search";
  return (
    <Stack gap="xs" component="section">
      <Title order={2} size="h5">
        {t("candidates")}
      </Title>
      {review.candidates.map((candidate, place) => (
        <UnstyledButton
          key={candidate.person.id}
          className={classes.choice}
          aria-pressed={props.chosen === place}
          onClick={() => props.choose(place)}
        >
          {candidate.face && (
            <img src={faceImage(candidate.face)} alt="" className={classes.thumb} />
          )}
          <div style={{ minWidth: 0 }}>
            <Text size="sm" fw={600} style={{ overflowWrap: "anywhere" }}>
              {review.candidates.length > 1 && `${place + 1}. `}
              <bdi>{name(candidate.person)}</bdi>
            </Text>
            <Text size="sm">{t("score", { score: score(candidate.score) })}</Text>
            <Text size="xs">{t(rate, { n: oneIn(candidate.stranger_rate) })}</Text>
            <Standing person={candidate.person} />
          </div>
        </UnstyledButton>
      ))}
      {review.kind !== "misfit" && (
        <Text size="xs">{t("searched", { people: count(review.searched) })}</Text>
      )}
    </Stack>
  );
}

function Standing({ person }: { person: Person }) {
  const { t } = useTexts();
  if (person.held)
    return (
      <Badge color="orange" variant="light" size="sm">
        {t("held")}
      </Badge>
    );
  if (person.active === false) {
    return (
      <Badge color="gray" variant="light" size="sm">
        {t("inactive")}
      </Badge>
    );
  }
  return null;
}

/** Other enrolled faces of the candidate, to compare with. */
export function OtherPhotos(props: {
  name: string;
  faces: string[];
  shown: string | null;
  show: (face: string) => void;
}) {
  const { t } = useTexts();
  if (props.faces.length < 2) return null;
  return (
    <Group gap={4} role="group" aria-label={t("other_photos", { name: props.name })}>
      {props.faces.map((face, index) => (
        <UnstyledButton
          key={face}
          className={classes.small}
          aria-pressed={props.shown === face}
          aria-label={t("photo_n", { number: index + 1 })}
          onClick={() => props.show(face)}
        >
          <img src={faceImage(face)} alt="" loading="lazy" className={classes.thumb} />
        </UnstyledButton>
      ))}
    </Group>
  );
}

const FIGURES = ["score", "face_width", "yaw", "focus", "brightness", "contrast"] as const;
const POOR = 0.35;

/** How good both pictures are: a poor one says less. */
export function QualityTable(props: { left: Quality; right: Quality; titles: [string, string] }) {
  const { t } = useTexts();
  const { left, right } = props;
  const isPoor = [left.score, right.score].some((value) => value !== undefined && value < POOR);
  const rows = FIGURES.filter((figure) => figure in left || figure in right);
  if (rows.length === 0) return null;
  return (
    <Stack gap="xs" component="section">
      <Title order={2} size="h5">
        {t("quality.title")}
      </Title>
      {isPoor && <Alert color="orange">{t("quality.poor")}</Alert>}
      <Table verticalSpacing={2} horizontalSpacing={4} aria-label={t("quality.title")}>
        <Table.Thead>
          <Table.Tr>
            <Table.Td />
            {props.titles.map((title) => (
              <Table.Th key={title} ta="right">
                <Text size="xs" fw={600}>
                  {title}
                </Text>
              </Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {rows.map((figure) => (
            <Table.Tr key={figure}>
              <Table.Th fw={400}>
                <Text size="xs">{t(`quality.${figure}`)}</Text>
              </Table.Th>
              <Table.Td ta="right">{shown(figure, left[figure])}</Table.Td>
              <Table.Td ta="right">{shown(figure, right[figure])}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Stack>
  );
}

function shown(figure: (typeof FIGURES)[number], value: number | undefined): string {
  if (value === undefined) return "–";
  return figure === "face_width" || figure === "yaw" ? value.toFixed(0) : value.toFixed(2);
}

/** Somebody's page, in a window of its own: the queue stays where it is. */
export function PersonLink({ person }: { person: Person }) {
  const name = useName();
  return (
    <Anchor href={`/people/${person.id}`} target="_blank" rel="noreferrer" size="sm">
      <bdi>{name(person)}</bdi>
    </Anchor>
  );
}
