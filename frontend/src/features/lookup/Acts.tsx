import { Alert, Button, Group, Text } from "@mantine/core";
import { IconChecks } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { AnchorLink } from "../../shared/ui/links";
import { useSentence } from "../../shared/ui/states";
import type { Candidate, Entry, LookedUp, Lookups, Outcome } from "./lookups";
import { askReviewers, decide, undo } from "./requests";

/** What people make of a face: sent to the reviewers, or decided by oneself. */
export function useActs(lookups: Lookups, entry: Entry, search: string, face: LookedUp) {
  const queries = useQueryClient();
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const number = entry.face;
  const queued: Outcome | null =
    face.review === null ? null : { review: face.review, state: "open", verdict: "", person: null };
  const outcome = entry.outcomes[number] ?? queued;

  const act = async (work: () => Promise<Outcome>) => {
    setBusy(true);
    setError(null);
    try {
      lookups.note(entry.id, number, await work());
      await queries.invalidateQueries({ queryKey: ["get", "/api/v1/reviews"] });
    } catch (failed) {
      setError(failed);
    } finally {
      setBusy(false);
    }
  };
  const asked = async () => outcome ?? (await askReviewers(search, number, entry.file));
  return {
    outcome,
    isBusy,
    error,
    ask: () => act(asked),
    confirm: (person: string | null) =>
      act(async () => {
        const { review } = await asked();
        // Should the decision fail, the question stands all the same.
        lookups.note(entry.id, number, { review, state: "open", verdict: "", person: null });
        return decide(review, person);
      }),
    undo: () => act(async () => (outcome === null ? asked() : undo(outcome.review))),
  };
}

/** The buttons of a face, and what was said of it. */
export function Acts(props: {
  acts: ReturnType<typeof useActs>;
  candidates: Candidate[];
  mayUndo: boolean;
  noneOfThem: boolean;
  ask: boolean;
  children: ReactNode;
}) {
  const { t } = useTranslation(["lookup", "common"]);
  const sentence = useSentence();
  const { acts } = props;
  return (
    <>
      {acts.outcome !== null && <Said outcome={acts.outcome} {...props} />}
      {acts.error !== null && (
        <Alert color="red" role="alert">
          {sentence(acts.error)}
        </Alert>
      )}
      <Group gap="xs">
        {props.noneOfThem && (
          <Button
            size="xs"
            variant="default"
            loading={acts.isBusy}
            onClick={() => void acts.confirm(null)}
          >
            {t("act.none_of_them")}
          </Button>
        )}
        {props.ask && (
          <Button
            size="xs"
            variant="default"
            leftSection={<IconChecks size={16} aria-hidden />}
            loading={acts.isBusy}
            onClick={() => void acts.ask()}
          >
            {t("act.ask")}
          </Button>
        )}
        {props.children}
      </Group>
    </>
  );
}

function Said(props: {
  outcome: Outcome;
  acts: ReturnType<typeof useActs>;
  candidates: Candidate[];
  mayUndo: boolean;
}) {
  const { t } = useTranslation(["lookup", "common"]);
  const { outcome } = props;
  const who = props.candidates.find(({ person }) => person.id === outcome.person)?.person;
  const isDecided = outcome.state === "decided" && outcome.verdict !== "";
  const name = who?.name || who?.external_id || "";
  return (
    <Group gap="xs" role="status">
      <Text size="sm">
        {isDecided
          ? t(`outcome.${outcome.verdict || "unsure"}`, { name: `\u2068${name}\u2069` })
          : t(`outcome.${outcome.state === "withdrawn" ? "withdrawn" : "open"}`)}{" "}
        <AnchorLink to="/reviews" search={{ review: outcome.review }} size="sm">
          {t("act.show_review")}
        </AnchorLink>
      </Text>
      {isDecided && props.mayUndo && (
        <Button
          size="compact-xs"
          variant="subtle"
          loading={props.acts.isBusy}
          onClick={() => void props.acts.undo()}
        >
          {t("common:action.undo")}
        </Button>
      )}
    </Group>
  );
}
