import {
  Alert,
  Autocomplete,
  Button,
  Card,
  Group,
  Radio,
  SegmentedControl,
  Select,
  SimpleGrid,
  Stack,
  Text,
  Textarea,
  TextInput,
  Title,
} from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMutation } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type ReactNode, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, http, type Schemas } from "../../shared/api/client";
import { ErrorState, Forbidden, Loading, Page, useSentence } from "../../shared/ui/states";
import { useHere, useMay } from "../session/session";
import { readAddresses } from "./addresses";
import { ArchiveDrop } from "./Drop";
import { type ChosenTable, TableChoice } from "./TableChoice";
import { useTexts } from "./texts";
import { beginUpload, sayAllSent, sendManifest } from "./uploads";

type SourceKind = Schemas["SourceKindEnum"];
type LayoutKind = Schemas["LayoutKindEnum"];
type SeveralFaces = Schemas["SeveralFaces"];
type Allowed = Schemas["ImportSources"];

const SOURCES: SourceKind[] = ["archive", "folder", "urls", "bucket"];
const LAYOUTS: LayoutKind[] = ["folders", "names", "manifest"];
const POLICIES: SeveralFaces[] = ["reject", "central", "largest"];
/** A list that is longer is sent in pieces, as the server takes only so much at once. */
const MOST_TEXT = 2_000_000;

interface Wanted {
  source: SourceKind;
  archive: File | null;
  path: string;
  urls: string;
  bucket: string;
  prefix: string;
  layout: LayoutKind;
  separator: string;
  isBeside: boolean;
  table: ChosenTable | null;
  several: SeveralFaces | "";
  priority: number;
}

/** What is to be imported, from where, and how. */
export function NewImportPage() {
  const { t } = useTexts();
  const may = useMay("operator");
  return (
    <Page title={t("new")}>{may ? <Asked /> : <Forbidden>{t("list.forbidden")}</Forbidden>}</Page>
  );
}

function Asked() {
  const { gallery } = useHere();
  const allowed = api.useQuery("get", "/api/v1/imports/sources");
  const settings = api.useQuery("get", "/api/v1/galleries/{id}", {
    params: { path: { id: gallery.id } },
  });
  if (allowed.isError) return <ErrorState error={allowed.error} retry={allowed.refetch} />;
  if (settings.isError) return <ErrorState error={settings.error} retry={settings.refetch} />;
  if (allowed.isPending || settings.isPending) return <Loading />;
  return <Form allowed={allowed.data} policy={settings.data.several_faces ?? "reject"} />;
}

function Form({ allowed, policy }: { allowed: Allowed; policy: SeveralFaces }) {
  const { t } = useTexts();
  const [wanted, setWanted] = useState<Wanted>({
    source: "archive",
    archive: null,
    path: allowed.folders[0] ?? "",
    urls: "",
    bucket: allowed.buckets[0] ?? "",
    prefix: "",
    layout: "folders",
    separator: "_",
    isBeside: false,
    table: null,
    several: "",
    priority: 0,
  });
  const change = (part: Partial<Wanted>) => setWanted((before) => ({ ...before, ...part }));
  return (
    <Stack maw={860} gap="lg">
      <Section title={t("form.source")}>
        <SourceChoice wanted={wanted} change={change} allowed={allowed} />
      </Section>
      <Section title={t("form.layout")}>
        <LayoutChoice wanted={wanted} change={change} />
      </Section>
      <Section title={t("form.options")}>
        <Options wanted={wanted} change={change} policy={policy} />
      </Section>
      <Submit wanted={wanted} allowed={allowed} />
    </Stack>
  );
}

function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <Stack gap="sm" component="section">
      <Title order={2} size="h4">
        {title}
      </Title>
      {children}
    </Stack>
  );
}

type Part = { wanted: Wanted; change: (part: Partial<Wanted>) => void };

function SourceChoice({ wanted, change, allowed }: Part & { allowed: Allowed }) {
  const { t } = useTexts();
  const isOpen: Record<SourceKind, boolean> = {
    archive: true,
    folder: allowed.folders.length > 0,
    urls: allowed.urls,
    bucket: allowed.buckets.length > 0,
  };
  const { urls, bad } = readAddresses(wanted.urls);
  return (
    <>
      <Radio.Group
        aria-label={t("form.source")}
        value={wanted.source}
        onChange={(value) => change({ source: value as SourceKind })}
      >
        <SimpleGrid cols={{ base: 1, xs: 2 }}>
          {SOURCES.map((kind) => (
            <Choice
              key={kind}
              value={kind}
              label={t(`source.${kind}`)}
              disabled={!isOpen[kind]}
              hint={
                isOpen[kind] || kind === "archive"
                  ? t(`form.${kind}_hint`)
                  : t(`form.${kind}_closed`)
              }
            />
          ))}
        </SimpleGrid>
      </Radio.Group>
      {wanted.source === "archive" && (
        <ArchiveDrop
          file={wanted.archive}
          most={allowed.most_bytes}
          take={(archive) => change({ archive })}
        />
      )}
      {wanted.source === "folder" && (
        <Autocomplete
          label={t("form.path")}
          description={t("form.path_hint", { roots: allowed.folders.join(", ") })}
          data={allowed.folders}
          value={wanted.path}
          onChange={(path) => change({ path })}
        />
      )}
      {wanted.source === "urls" && (
        <Textarea
          label={t("form.urls")}
          description={t("form.urls_count", { count: urls.length })}
          error={bad.length > 0 && t("form.urls_bad", { lines: bad.slice(0, 10).join(", ") })}
          placeholder="https://photos.example.org/7_front.jpg"
          autosize
          minRows={5}
          maxRows={14}
          value={wanted.urls}
          onChange={(event) => change({ urls: event.currentTarget.value })}
        />
      )}
      {wanted.source === "bucket" && (
        <Group align="flex-start">
          <Select
            label={t("form.bucket")}
            data={allowed.buckets}
            value={wanted.bucket}
            allowDeselect={false}
            onChange={(bucket) => change({ bucket: bucket ?? "" })}
          />
          <TextInput
            label={t("form.prefix")}
            description={t("form.prefix_hint")}
            inputWrapperOrder={["label", "input", "description"]}
            value={wanted.prefix}
            onChange={(event) => change({ prefix: event.currentTarget.value })}
          />
        </Group>
      )}
    </>
  );
}

function Choice(props: { value: string; label: string; hint: string; disabled?: boolean }) {
  return (
    <Radio.Card
      value={props.value}
      disabled={props.disabled ?? false}
      p="sm"
      style={{ display: "flex", alignItems: "flex-start" }}
    >
      <Group wrap="nowrap" align="flex-start" gap="sm">
        <Radio.Indicator disabled={props.disabled ?? false} mt={2} />
        <div>
          <Text size="sm" fw={600}>
            {props.label}
          </Text>
          <Text size="sm">{props.hint}</Text>
        </div>
      </Group>
    </Radio.Card>
  );
}

function LayoutChoice({ wanted, change }: Part) {
  const { t } = useTexts();
  return (
    <>
      <Radio.Group
        aria-label={t("form.layout")}
        value={wanted.layout}
        onChange={(value) => change({ layout: value as LayoutKind })}
      >
        <SimpleGrid cols={{ base: 1, sm: 3 }}>
          {LAYOUTS.map((kind) => (
            <Choice
              key={kind}
              value={kind}
              label={t(`layout.${kind}`)}
              hint={t(`form.${kind}_hint`)}
            />
          ))}
        </SimpleGrid>
      </Radio.Group>
      {wanted.layout === "names" && (
        <TextInput
          label={t("form.separator")}
          w={160}
          maxLength={5}
          value={wanted.separator}
          onChange={(event) => change({ separator: event.currentTarget.value })}
        />
      )}
      <Example wanted={wanted} />
      {wanted.layout === "manifest" && (
        <>
          <Radio.Group
            label={t("form.manifest_where")}
            value={wanted.isBeside ? "sent" : "inside"}
            onChange={(value) => change({ isBeside: value === "sent" })}
          >
            <Stack gap="xs" mt="xs">
              <Radio value="inside" label={t("form.manifest_inside")} />
              <Radio value="sent" label={t("form.manifest_sent")} />
            </Stack>
          </Radio.Group>
          {wanted.isBeside && <TableChoice take={(table) => change({ table })} />}
        </>
      )}
    </>
  );
}

/** The same three photos under each layout. */
function Example({ wanted }: { wanted: Wanted }) {
  const { t } = useTexts();
  const separator = wanted.separator || "_";
  const lines = {
    folders: [
      t("form.means", {
        file: "people/Ada_Lovelace/1.jpg",
        name: "Ada Lovelace",
        id: "Ada_Lovelace",
      }),
      t("form.means", {
        file: "people/Ada_Lovelace/2.jpg",
        name: "Ada Lovelace",
        id: "Ada_Lovelace",
      }),
      t("form.means", { file: "people/Alan_Turing/a.jpg", name: "Alan Turing", id: "Alan_Turing" }),
    ],
    names: [
      t("form.means_id", { file: `17${separator}front.jpg`, id: "17" }),
      t("form.means_id", { file: `17${separator}left.jpg`, id: "17" }),
      t("form.means_id", { file: "18.jpg", id: "18" }),
    ],
    manifest: [
      "file,external_id,name,team",
      "scans/0001.jpg,17,Ada Lovelace,Engines",
      "scans/0002.jpg,18,Alan Turing,Machines",
    ],
  }[wanted.layout];
  return (
    <Card withBorder p="sm" bg="transparent">
      {lines.map((line) => (
        <Text key={line} size="sm" ff="monospace" style={{ overflowWrap: "anywhere" }}>
          {line}
        </Text>
      ))}
    </Card>
  );
}

function Options({ wanted, change, policy }: Part & { policy: SeveralFaces }) {
  const { t } = useTexts();
  const byGallery = t("form.several_gallery", { policy: t(`form.policy.${policy}`) });
  return (
    <Group align="flex-start" gap="xl">
      <Select
        label={t("form.several")}
        w={460}
        maw="100%"
        data={[
          { value: "", label: byGallery },
          ...POLICIES.map((value) => ({ value, label: t(`form.policy.${value}`) })),
        ]}
        value={wanted.several}
        allowDeselect={false}
        onChange={(value) => change({ several: (value ?? "") as SeveralFaces | "" })}
      />
      <Stack gap={4}>
        <Text size="sm" fw={600} id="priority">
          {t("form.priority")}
        </Text>
        <SegmentedControl
          aria-labelledby="priority"
          value={String(wanted.priority)}
          onChange={(value) => change({ priority: Number(value) })}
          data={[
            { value: "-5", label: t("form.low") },
            { value: "0", label: t("form.normal") },
            { value: "5", label: t("form.high") },
          ]}
        />
        <Text size="xs">{t("form.priority_hint")}</Text>
      </Stack>
    </Group>
  );
}

/** Why it can't be sent yet, as the name of a sentence. */
function missing(wanted: Wanted) {
  const { urls, bad } = readAddresses(wanted.urls);
  if (wanted.source === "archive" && wanted.archive === null) return "archive_needed";
  if (wanted.source === "folder" && wanted.path.trim() === "") return "folder_needed";
  if (wanted.source === "urls" && (urls.length === 0 || bad.length > 0)) return "urls_needed";
  if (wanted.source === "bucket" && wanted.bucket === "") return "bucket_needed";
  if (wanted.layout !== "manifest" || !wanted.isBeside) return null;
  if (wanted.table === null) return "manifest_needed";
  return wanted.table.isComplete ? null : "columns_needed";
}

function Submit({ wanted, allowed }: { wanted: Wanted; allowed: Allowed }) {
  const { t } = useTexts();
  const { t: common } = useTranslation();
  const { gallery } = useHere();
  const navigate = useNavigate();
  const sentence = useSentence();
  const make = useMutation({
    mutationFn: () =>
      makeImport(gallery.id, wanted, allowed, (error) =>
        notifications.show({ color: "red", message: sentence(error) }),
      ),
    onSuccess: (job) => void navigate({ to: "/imports/$job", params: { job } }),
  });
  // The button knows of a job under way only once it is drawn again: a second click may be sooner.
  const isAsked = useRef(false);
  const submit = () => {
    if (isAsked.current) return;
    isAsked.current = true;
    make.mutate(undefined, {
      onSettled: () => {
        isAsked.current = false;
      },
    });
  };
  const lacks = missing(wanted);
  return (
    <Stack gap="xs">
      {make.isError && (
        <Alert color="red" role="alert">
          {sentence(make.error)}
        </Alert>
      )}
      <Group>
        <Button loading={make.isPending} disabled={lacks !== null} onClick={submit}>
          {wanted.source === "archive" ? t("form.submit_upload") : t("form.submit")}
        </Button>
        <Button variant="default" onClick={() => void navigate({ to: "/imports" })}>
          {common("action.cancel")}
        </Button>
      </Group>
      <Text size="sm" aria-live="polite">
        {lacks === null ? t("form.submit_hint") : t(`form.${lacks}`)}
      </Text>
    </Stack>
  );
}

/**
 * Make the job and begin to send what it waits for; its id.
 *
 * A table that isn't taken can be sent again on the job's page, which it then waits for.
 */
async function makeImport(
  gallery: string,
  wanted: Wanted,
  allowed: Allowed,
  complain: (error: unknown) => void,
): Promise<string> {
  const { urls } = readAddresses(wanted.urls);
  const list = new Blob([urls.join("\n")]);
  const isShort = urls.length <= allowed.most_urls && list.size <= MOST_TEXT;
  const table = wanted.layout === "manifest" && wanted.isBeside ? wanted.table : null;
  // With a table to come, too, the list can't be all: it is sent like an archive.
  const isInline = wanted.source === "urls" && isShort && table === null;
  const { data } = await http.POST("/api/v1/imports", {
    body: {
      gallery,
      source: sourceOf(wanted, isInline ? urls : null),
      layout: layoutOf(wanted),
      priority: wanted.priority,
      ...(wanted.several && { several_faces: wanted.several }),
    },
    headers: { "Content-Type": "application/json" },
  });
  if (data === undefined) throw new Error("no job");
  const isTaken = table === null || (await sent(data.id, table, complain));
  if (wanted.source === "archive" && wanted.archive !== null) {
    beginUpload(data.id, wanted.archive, { isWhole: isTaken });
  } else if (wanted.source === "urls" && !isInline) {
    beginUpload(data.id, list, { isWhole: isTaken });
  } else if (table !== null && isTaken) {
    await sayAllSent(data.id);
  }
  return data.id;
}

async function sent(
  job: string,
  table: ChosenTable,
  complain: (error: unknown) => void,
): Promise<boolean> {
  try {
    await sendManifest(job, table.blob);
    return true;
  } catch (error) {
    complain(error);
    return false;
  }
}

function sourceOf(wanted: Wanted, urls: string[] | null): Schemas["SourceRequest"] {
  if (wanted.source === "folder") return { kind: "folder", path: wanted.path.trim() };
  if (wanted.source === "urls") return { kind: "urls", ...(urls && { urls }) };
  if (wanted.source === "archive") return { kind: "archive" };
  return { kind: "bucket", bucket: wanted.bucket, prefix: wanted.prefix };
}

function layoutOf(wanted: Wanted): Schemas["LayoutRequest"] {
  if (wanted.layout === "names") return { kind: "names", separator: wanted.separator || "_" };
  if (wanted.layout === "folders") return { kind: "folders" };
  return { kind: "manifest", manifest: wanted.isBeside ? "sent" : "inside" };
}
