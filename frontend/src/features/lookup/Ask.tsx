import { Button, Group, Text, TextInput } from "@mantine/core";
import { useQueries } from "@tanstack/react-query";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../../shared/api/client";
import { useHere } from "../session/session";
import classes from "./lookup.module.css";
import type { Lookups } from "./lookups";

/** Where to look, and why; nothing is sent while a gallery that is asked wants a reason. */
export function useQuestion(lookups: Lookups) {
  const { gallery } = useHere();
  const [galleries, setGalleries] = useState([gallery.id]);
  const [reason, setReason] = useState("");
  const [given, setGiven] = useState("");
  const policies = useQueries({
    queries: galleries.map((id) =>
      api.queryOptions("get", "/api/v1/galleries/{id}/thresholds", { params: { path: { id } } }),
    ),
  });
  const isPending = policies.some((each) => each.isPending);
  const wantsReason = policies.some((each) => each.data?.policy.requires_reason);
  const isAsked = !isPending && (!wantsReason || given !== "");
  const key = galleries.join(" ");
  useEffect(() => {
    lookups.ask(isAsked ? { galleries: key.split(" "), reason: given } : null);
  }, [lookups, isAsked, key, given]);
  return {
    galleries,
    setGalleries,
    reason,
    setReason,
    wantsReason,
    waits: wantsReason && given === "",
    /** What is written counts for what is looked up from now on. */
    give: () => setGiven(reason.trim()),
  };
}

/** The galleries besides the chosen one, and the reason. */
export function Ask(props: { question: ReturnType<typeof useQuestion>; waiting: number }) {
  const { t } = useTranslation("lookup");
  const { question } = props;
  const isMissing = question.waits && props.waiting > 0;
  const input = useRef<HTMLInputElement>(null);
  // When the photos come, or when it becomes known that the gallery wants a reason.
  useEffect(() => {
    if (isMissing) input.current?.focus();
  }, [isMissing]);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    question.give();
  };
  return (
    <form onSubmit={submit}>
      <Group gap="sm" align="flex-start">
        <TextInput
          ref={input}
          size="xs"
          w={280}
          maxLength={300}
          label={question.wantsReason ? t("reason.wanted") : t("reason.label")}
          required={question.wantsReason}
          error={isMissing && t("reason.missing")}
          value={question.reason}
          onChange={(event) => question.setReason(event.currentTarget.value)}
          onBlur={question.give}
        />
        {isMissing && (
          <Button type="submit" size="xs" mt={22}>
            {t("reason.look_up", { count: props.waiting })}
          </Button>
        )}
        <OtherGalleries question={question} />
      </Group>
    </form>
  );
}

function OtherGalleries({ question }: { question: ReturnType<typeof useQuestion> }) {
  const { t } = useTranslation("lookup");
  const { session, gallery } = useHere();
  const others = session.galleries.filter(({ id }) => id !== gallery.id);
  if (others.length === 0) return null;
  const toggle = (id: string, isOn: boolean) =>
    question.setGalleries((before) =>
      isOn ? [...before, id] : before.filter((each) => each !== id),
    );
  return (
    <details className={classes.more} style={{ marginTop: 22 }}>
      <summary>{t("also", { count: question.galleries.length - 1 })}</summary>
      <fieldset className={classes.galleries}>
        <legend>
          <Text size="sm">{t("also_hint")}</Text>
        </legend>
        {others.map(({ id, name }) => (
          <label key={id}>
            <input
              type="checkbox"
              checked={question.galleries.includes(id)}
              disabled={question.galleries.length >= 20 && !question.galleries.includes(id)}
              onChange={(event) => toggle(id, event.currentTarget.checked)}
            />{" "}
            <bdi>{name}</bdi>
          </label>
        ))}
      </fieldset>
    </details>
  );
}
