import { ActionIcon, Button, Group, Input, Stack, Textarea, TextInput } from "@mantine/core";
import { IconPlus, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { ProblemError } from "../../shared/api/problems";
import { type Fault, type Metadata, metadataOf, type Row, rowsOf } from "./metadata";
import { TEXTS } from "./texts";

export interface Fields {
  name: string;
  external_id: string;
  notes: string;
  metadata: Metadata;
}

export const NO_FIELDS: Fields = { name: "", external_id: "", notes: "", metadata: {} };

/** The state of a form about a person. */
export function usePersonForm(initial: Fields) {
  const [texts, setTexts] = useState({
    name: initial.name,
    external_id: initial.external_id,
    notes: initial.notes,
  });
  const [rows, setRows] = useState(() => rowsOf(initial.metadata));
  const [fault, setFault] = useState<Fault>();

  /** What was written; undefined, and said where, if the metadata can't be read. */
  const read = (): Fields | undefined => {
    const found = metadataOf(rows);
    if ("fault" in found) {
      setFault(found.fault);
      return undefined;
    }
    setFault(undefined);
    return {
      name: texts.name.trim(),
      external_id: texts.external_id.trim(),
      notes: texts.notes,
      metadata: found.metadata,
    };
  };
  return { texts, setTexts, rows, setRows, fault, read };
}

export type PersonForm = ReturnType<typeof usePersonForm>;

/** Name, external id, notes, metadata. `problem` is what the server said to them. */
export function PersonFields({ form, problem }: { form: PersonForm; problem?: unknown }) {
  const { t } = useTranslation(TEXTS);
  const { texts, setTexts } = form;
  const fields = problem instanceof ProblemError ? problem.fields : {};
  const isTaken = problem instanceof ProblemError && problem.code === "external_id_taken";
  return (
    <Stack gap="sm">
      <TextInput
        label={t("field.name")}
        dir="auto"
        maxLength={300}
        data-autofocus
        value={texts.name}
        error={fields.name}
        onChange={(event) => setTexts({ ...texts, name: event.currentTarget.value })}
      />
      <TextInput
        label={t("field.external_id")}
        description={t("field.external_id_hint")}
        dir="auto"
        maxLength={200}
        value={texts.external_id}
        error={isTaken ? t("field.external_id_taken") : fields.external_id}
        onChange={(event) => setTexts({ ...texts, external_id: event.currentTarget.value })}
      />
      <Textarea
        label={t("field.notes")}
        dir="auto"
        autosize
        minRows={2}
        maxRows={8}
        maxLength={10_000}
        value={texts.notes}
        error={fields.notes}
        onChange={(event) => setTexts({ ...texts, notes: event.currentTarget.value })}
      />
      <MetadataRows form={form} error={fields.metadata} />
    </Stack>
  );
}

function MetadataRows({ form, error }: { form: PersonForm; error: string | undefined }) {
  const { t } = useTranslation(TEXTS);
  const { rows, setRows, fault } = form;
  const change = (index: number, changed: Partial<Row>) =>
    setRows(rows.map((row, each) => (each === index ? { ...row, ...changed } : row)));
  return (
    <Input.Wrapper label={t("field.metadata")} labelElement="div" error={error}>
      <Stack gap={6} mt={4}>
        {rows.map((row, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: rows have no other name; keys may be equal while they are written
          <Group key={index} gap={6} wrap="nowrap" align="start">
            <TextInput
              aria-label={t("field.key_n", { number: index + 1 })}
              placeholder={t("field.key")}
              dir="auto"
              flex={2}
              value={row.key}
              error={
                fault?.row === index && fault.why !== "not_json" && t(`field.fault.${fault.why}`)
              }
              onChange={(event) => change(index, { key: event.currentTarget.value })}
            />
            <TextInput
              aria-label={t("field.value_n", { number: index + 1 })}
              placeholder={t("field.value")}
              dir="auto"
              flex={3}
              value={row.value}
              error={fault?.row === index && fault.why === "not_json" && t("field.fault.not_json")}
              onChange={(event) => change(index, { value: event.currentTarget.value })}
            />
            <ActionIcon
              variant="subtle"
              color="gray"
              size={36}
              aria-label={t("field.remove_n", { number: index + 1 })}
              onClick={() => setRows(rows.filter((_, each) => each !== index))}
            >
              <IconTrash size={16} aria-hidden />
            </ActionIcon>
          </Group>
        ))}
        <Button
          variant="subtle"
          size="compact-sm"
          leftSection={<IconPlus size={14} aria-hidden />}
          style={{ alignSelf: "flex-start" }}
          onClick={() => setRows([...rows, { key: "", value: "", isJson: false }])}
        >
          {t("field.add_metadata")}
        </Button>
      </Stack>
    </Input.Wrapper>
  );
}
