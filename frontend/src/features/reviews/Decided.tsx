import { Badge, Button, Stack, Table, Text, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, http } from "../../shared/api/client";
import { BY_CURSOR } from "../../shared/api/cursor";
import { dateTime } from "../../shared/lib/format";
import { Confirmed } from "../../shared/ui/confirm";
import { Empty, ErrorState, Loading } from "../../shared/ui/states";
import { WideTable } from "../../shared/ui/WideTable";
import { useHere, useMay } from "../session/session";
import { useName } from "./Beside";
import type { Kind, Review } from "./queue";
import { useTexts } from "./texts";

/** What was decided, the newest first, with the way back. */
export function Decided({ kind }: { kind: Kind | undefined }) {
  const { t } = useTexts();
  const { t: common } = useTranslation();
  const { gallery } = useHere();
  const list = api.useInfiniteQuery(
    "get",
    "/api/v1/reviews",
    {
      params: {
        query: { gallery: gallery.id, state: "decided", page_size: 30, ...(kind && { kind }) },
      },
    },
    BY_CURSOR,
  );
  if (list.isError && !list.data) return <ErrorState error={list.error} retry={list.refetch} />;
  if (list.isPending) return <Loading />;
  const reviews = list.data.pages.flatMap((page) => page.results);
  if (reviews.length === 0) return <Empty title={t("decided.empty")} />;
  return (
    <Stack align="flex-start">
      <WideTable
        label={t("decided.caption")}
        minWidth={680}
        head={
          <>
            <Table.Th>{t("decided.at")}</Table.Th>
            <Table.Th>{t("decided.what")}</Table.Th>
            <Table.Th>{t("decided.verdict")}</Table.Th>
            <Table.Th>{t("decided.by")}</Table.Th>
            <Table.Td />
          </>
        }
      >
        {reviews.map((review) => (
          <Row key={review.id} review={review} />
        ))}
      </WideTable>
      {list.hasNextPage && (
        <Button
          variant="default"
          loading={list.isFetchingNextPage}
          onClick={() => void list.fetchNextPage()}
        >
          {common("action.more")}
        </Button>
      )}
    </Stack>
  );
}

const COLORS = { same: "green", different: "red", unsure: "gray" } as const;

function Row({ review }: { review: Review }) {
  const { t } = useTexts();
  const name = useName();
  const chosen = review.candidates.find(({ person }) => person.id === review.chosen)?.person;
  const who = chosen ?? review.candidates[0]?.person ?? null;
  const subject = review.kind === "search" ? "" : name(review.person);
  return (
    <Table.Tr>
      <Table.Td style={{ whiteSpace: "nowrap" }}>
        {review.decided_at && dateTime(review.decided_at)}
      </Table.Td>
      <Table.Td>
        <Text size="sm" style={{ overflowWrap: "anywhere" }}>
          <Badge variant="default" size="sm">
            {t(`kind.${review.kind}`)}
          </Badge>{" "}
          <bdi>
            {t(`question.${review.kind}`, {
              name: who === null ? t("decided.unknown") : name(who),
              subject,
            })}
          </bdi>
        </Text>
      </Table.Td>
      <Table.Td>
        {review.verdict && (
          <Badge color={COLORS[review.verdict]} variant="light">
            {t(`verdict.${review.verdict}`)}
          </Badge>
        )}
      </Table.Td>
      <Table.Td>
        <Opinions review={review} />
      </Table.Td>
      <Table.Td ta="right">
        <UndoOne review={review} />
      </Table.Td>
    </Table.Tr>
  );
}

function Opinions({ review }: { review: Review }) {
  const { t } = useTexts();
  const { user } = useHere();
  const newest = Math.max(...review.opinions.map(({ round }) => round));
  const said = review.opinions.filter(({ round }) => round === newest);
  return said.map((opinion) => (
    <Text size="sm" key={opinion.actor}>
      {t(opinion.actor === `user:${user.id}` ? "decided.you" : "decided.other")}
      {said.length > 1 && `: ${t(`verdict.${opinion.verdict}`)}`}
      {opinion.note && (
        <>
          {" – "}
          <bdi>{opinion.note}</bdi>
        </>
      )}
    </Text>
  ));
}

function UndoOne({ review }: { review: Review }) {
  const { t } = useTexts();
  const queries = useQueryClient();
  const mayAdmin = useMay("admin");
  const [reason, setReason] = useState("");
  if ((review.reviewers ?? 1) > 1 && !mayAdmin) {
    return <Text size="xs">{t("decided.admin")}</Text>;
  }
  const undo = async () => {
    await http.POST("/api/v1/reviews/{id}/undo", {
      params: { path: { id: review.id } },
      body: { reason },
    });
    await queries.invalidateQueries();
  };
  return (
    <Confirmed label={t("decided.undo")} question={t("decided.question")} act={undo} color="orange">
      <Text size="sm">{t(`decided.goes.${review.kind}`)}</Text>
      <TextInput
        label={t("decided.reason")}
        maxLength={300}
        value={reason}
        onChange={(event) => setReason(event.currentTarget.value)}
      />
    </Confirmed>
  );
}
