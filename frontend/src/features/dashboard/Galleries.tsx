import { Anchor, Badge, Button, Table, Text } from "@mantine/core";
import { Link, useNavigate } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { ago, count, duration, percent } from "../../shared/lib/format";
import { Section } from "../../shared/ui/Section";
import { WideTable } from "../../shared/ui/WideTable";
import { useHere } from "../session/session";
import type { GalleryFigures } from "./figures";

/** Every gallery: how large, how well its index is, and what waits. */
export function Galleries({ galleries }: { galleries: GalleryFigures[] }) {
  const { t } = useTranslation("dashboard");
  const { chooseGallery } = useHere();
  const navigate = useNavigate();
  const go = (id: string, to: "/people" | "/reviews" | "/imports") => {
    chooseGallery(id);
    void navigate({ to });
  };
  return (
    <Section title={t("galleries.title")}>
      <WideTable
        label={t("galleries.title")}
        minWidth={900}
        head={
          <>
            <Table.Th>{t("galleries.name")}</Table.Th>
            <Table.Th ta="right">{t("galleries.people")}</Table.Th>
            <Table.Th ta="right">{t("galleries.searched")}</Table.Th>
            <Table.Th>{t("galleries.index")}</Table.Th>
            <Table.Th>{t("galleries.recall")}</Table.Th>
            <Table.Th>{t("galleries.reconciled")}</Table.Th>
            <Table.Th ta="right">{t("galleries.reviews")}</Table.Th>
            <Table.Th ta="right">{t("galleries.imports")}</Table.Th>
          </>
        }
      >
        {galleries.map((each) => (
          <Table.Tr key={each.id}>
            <Table.Th scope="row">
              <Anchor component="button" size="sm" onClick={() => go(each.id, "/people")}>
                <bdi>{each.name}</bdi>
              </Anchor>
              <Text size="xs">{each.model}</Text>
            </Table.Th>
            <Table.Td ta="right">{count(each.people)}</Table.Td>
            <Table.Td ta="right">{count(each.templates)}</Table.Td>
            <Table.Td miw={130}>
              <IndexState index={each.index} />
            </Table.Td>
            <Table.Td>
              {each.index.recall === null ? t("never") : percent(each.index.recall)}
              {each.index.measured_at && <Text size="xs">{ago(each.index.measured_at)}</Text>}
            </Table.Td>
            <Table.Td>
              {each.index.reconciled_at ? ago(each.index.reconciled_at) : t("never")}
              {each.index.wrong !== null && (
                <Text size="xs">{t("galleries.wrong", { count: each.index.wrong })}</Text>
              )}
            </Table.Td>
            <Table.Td ta="right">
              <Waiting
                label={t("galleries.to_reviews", {
                  count: each.open_reviews ?? 0,
                  gallery: each.name,
                })}
                number={each.open_reviews}
                go={() => go(each.id, "/reviews")}
              />
            </Table.Td>
            <Table.Td ta="right">
              <Waiting
                label={t("galleries.to_imports", {
                  count: each.running_imports ?? 0,
                  gallery: each.name,
                })}
                number={each.running_imports}
                go={() => go(each.id, "/imports")}
              />
            </Table.Td>
          </Table.Tr>
        ))}
      </WideTable>
    </Section>
  );
}

const STATES = { ready: "green", building: "orange", none: "gray" } as const;

function IndexState({ index }: { index: GalleryFigures["index"] }) {
  const { t } = useTranslation("dashboard");
  const state = index.state in STATES ? (index.state as keyof typeof STATES) : "none";
  return (
    <>
      <Badge color={STATES[state]} variant="light">
        {t(`index.${state}`)}
      </Badge>
      <Text size="xs">
        {index.pending > 0
          ? t("index.behind", { count: index.pending, lag: duration(index.lag_seconds) })
          : state === "ready" && t("index.up_to_date")}
      </Text>
    </>
  );
}

function Waiting(props: { label: string; number: number | null; go: () => void }) {
  if (props.number === null) return "–";
  if (props.number === 0) return "0";
  return (
    <Anchor component="button" size="sm" aria-label={props.label} onClick={props.go}>
      {count(props.number)}
    </Anchor>
  );
}

/** A site administrator without a gallery makes one. */
export function MakeFirst() {
  const { t } = useTranslation("dashboard");
  return (
    <Button component={Link} to="/settings" variant="light">
      {t("galleries.make")}
    </Button>
  );
}
