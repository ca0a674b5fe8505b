import { Alert, FileInput, Select, SimpleGrid, Stack, Text } from "@mantine/core";
import { useState } from "react";
import {
  FIELDS,
  type Field,
  guess,
  type Header,
  type Mapping,
  readHeader,
  withColumns,
} from "./table";
import { useTexts } from "./texts";

/** A table as it will be sent; `isComplete`: its columns are known as far as that can be seen here. */
export interface ChosenTable {
  file: File;
  blob: Blob;
  isComplete: boolean;
}

/** Takes a table, and of a text one which column is what. */
export function TableChoice({ take }: { take: (table: ChosenTable | null) => void }) {
  const { t } = useTexts();
  const [file, setFile] = useState<File | null>(null);
  const [header, setHeader] = useState<Header | null>(null);
  const [mapping, setMapping] = useState<Mapping>({});

  const tell = (chosen: File, found: Header | null, next: Mapping) => {
    setMapping(next);
    const isComplete = next.file !== undefined && next.external_id !== undefined;
    if (found === null) take({ file: chosen, blob: chosen, isComplete: true });
    else take({ file: chosen, blob: withColumns(chosen, found, next), isComplete });
  };
  const choose = async (chosen: File | null) => {
    setFile(chosen);
    setHeader(null);
    if (chosen === null || chosen.size === 0) {
      take(null);
      return;
    }
    const found = await readHeader(chosen).catch(() => null);
    setHeader(found);
    tell(chosen, found, found === null ? {} : guess(found.columns));
  };
  const map = (field: Field, value: string | null) => {
    if (file === null || header === null) return;
    const next = { ...mapping };
    if (value === null || value === "") delete next[field];
    else next[field] = Number(value);
    tell(file, header, next);
  };

  return (
    <Stack gap="sm">
      <FileInput
        label={t("form.manifest_file")}
        placeholder={t("form.manifest_placeholder")}
        value={file}
        onChange={(chosen) => void choose(chosen)}
        accept=".csv,.tsv,.txt,.xlsx,text/csv"
        error={file?.size === 0 && t("form.manifest_empty")}
        clearable
        clearButtonProps={{ "aria-label": t("form.manifest_clear") }}
      />
      {file !== null && file.size > 0 && header === null && (
        <Text size="sm">{t("form.workbook")}</Text>
      )}
      {header !== null && (
        <>
          <Text size="sm" fw={600}>
            {t("form.columns")}
          </Text>
          <SimpleGrid cols={{ base: 1, xs: 2 }}>
            {FIELDS.map((field) => (
              <Select
                key={field}
                label={t(`form.column.${field}`)}
                data={[
                  { value: "", label: t("form.no_column") },
                  ...header.columns.map((title, place) => ({
                    value: String(place),
                    label: title || `#${place + 1}`,
                  })),
                ]}
                value={String(mapping[field] ?? "")}
                allowDeselect={false}
                onChange={(value) => map(field, value)}
              />
            ))}
          </SimpleGrid>
          <Text size="sm">{t("form.columns_hint")}</Text>
          {(mapping.file === undefined || mapping.external_id === undefined) && (
            <Alert color="orange">{t("form.columns_needed")}</Alert>
          )}
        </>
      )}
    </Stack>
  );
}
