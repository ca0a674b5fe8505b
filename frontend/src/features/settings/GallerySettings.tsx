import {
  Button,
  Group,
  NumberInput,
  Select,
  SimpleGrid,
  Stack,
  Text,
  Textarea,
  TextInput,
} from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { notifications } from "@mantine/notifications";
import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, http, type Schemas } from "../../shared/api/client";
import { changed } from "../../shared/lib/changed";
import { Confirmed } from "../../shared/ui/confirm";
import { Section } from "../../shared/ui/Section";
import { Empty, ErrorState, Loading } from "../../shared/ui/states";
import { Unsaved } from "../../shared/ui/Unsaved";
import { useHere } from "../session/session";
import { fieldError } from "./figures";
import { MakeGallery } from "./MakeGallery";
import { Refusal } from "./parts";

type Gallery = Schemas["Gallery"];

const SESSION = ["get", "/api/v1/session"];
const FACES: Schemas["SeveralFaces"][] = ["reject", "central", "largest"];
const GATES = [
  { name: "min_quality", min: 0, max: 1, step: 0.05 },
  { name: "min_focus", min: 0, max: 1, step: 0.05 },
  { name: "max_yaw", min: 1, max: 90, step: 5 },
  { name: "min_brightness", min: 0, max: 1, step: 0.05 },
  { name: "max_brightness", min: 0, max: 1, step: 0.05 },
  { name: "min_contrast", min: 0, max: 1, step: 0.05 },
] as const;
const FIELDS = ["name", "description", "min_face", "several_faces", ...GATES.map((g) => g.name)];

/** The gallery that is worked in; site administrators make others. */
export function GallerySettings() {
  const { t } = useTranslation("settings");
  const { user, gallery } = useHere();
  const [isMaking, { open, close }] = useDisclosure();
  const isNowhere = gallery.id === "";
  const found = api.useQuery(
    "get",
    "/api/v1/galleries/{id}",
    { params: { path: { id: gallery.id } } },
    { enabled: !isNowhere },
  );
  const make = (
    <Button variant={isNowhere ? "filled" : "light"} onClick={open}>
      {t("gallery.make")}
    </Button>
  );
  return (
    <Stack>
      {isNowhere ? (
        <Empty title={t("gallery.none")}>
          <Text size="sm">{t("gallery.none_text")}</Text>
          {make}
        </Empty>
      ) : (
        user.is_site_admin && <Group justify="flex-end">{make}</Group>
      )}
      {!isNowhere && found.isPending && <Loading lines={8} />}
      {found.isError && <ErrorState error={found.error} retry={found.refetch} />}
      {found.data && <GalleryForm key={gallery.id} gallery={found.data} />}
      <MakeGallery opened={isMaking} close={close} />
    </Stack>
  );
}

function GalleryForm({ gallery }: { gallery: Gallery }) {
  const { t } = useTranslation(["settings", "common"]);
  const queries = useQueryClient();
  const save = api.useMutation("patch", "/api/v1/galleries/{id}");
  const [draft, setDraft] = useState<Partial<Gallery>>({});
  const fields = { ...gallery, ...draft };
  const set = (more: Partial<Gallery>) => setDraft((before) => ({ ...before, ...more }));
  const changes = changed(gallery, fields);
  const said = (field: string) => fieldError(save.error, field);

  const submit = (event: FormEvent) => {
    event.preventDefault();
    save.mutate(
      { params: { path: { id: gallery.id } }, body: changes },
      {
        onSuccess: async () => {
          notifications.show({ message: t("gallery.saved") });
          await queries.invalidateQueries({ queryKey: ["get", "/api/v1/galleries/{id}"] });
          await queries.invalidateQueries({ queryKey: SESSION });
          setDraft({});
        },
      },
    );
  };
  const remove = async () => {
    await http.DELETE("/api/v1/galleries/{id}", { params: { path: { id: gallery.id } } });
    notifications.show({ message: t("gallery.deleted", { name: gallery.name }) });
    await queries.invalidateQueries({ queryKey: SESSION });
  };

  return (
    <form onSubmit={submit}>
      <Stack>
        <Section title={t("gallery.title")}>
          <SimpleGrid cols={{ base: 1, md: 2 }}>
            <TextInput
              label={t("gallery.name")}
              required
              maxLength={200}
              value={fields.name}
              error={said("name")}
              onChange={(event) => set({ name: event.currentTarget.value })}
            />
            <TextInput
              label={t("gallery.slug")}
              description={t("gallery.slug_fixed")}
              readOnly
              variant="filled"
              value={gallery.slug}
            />
            <Textarea
              label={t("gallery.description")}
              autosize
              minRows={2}
              value={fields.description ?? ""}
              error={said("description")}
              onChange={(event) => set({ description: event.currentTarget.value })}
            />
            <TextInput
              label={t("gallery.model")}
              description={t("gallery.model_fixed")}
              readOnly
              variant="filled"
              value={gallery.model ?? ""}
            />
          </SimpleGrid>
        </Section>
        <Section title={t("gates.title")} about={t("gates.about")}>
          <SimpleGrid cols={{ base: 1, xs: 2, lg: 3 }}>
            <NumberInput
              label={t("gates.min_face")}
              description={t("gates.min_face_about")}
              required
              min={20}
              max={2000}
              allowDecimal={false}
              value={fields.min_face ?? ""}
              error={said("min_face")}
              onChange={(value) => typeof value === "number" && set({ min_face: value })}
            />
            <Select
              label={t("gates.several_faces")}
              description={t("gates.several_faces_about")}
              allowDeselect={false}
              value={fields.several_faces ?? "reject"}
              error={said("several_faces")}
              onChange={(value) => set({ several_faces: value as Schemas["SeveralFaces"] })}
              data={FACES.map((value) => ({ value, label: t(`gates.${value}`) }))}
            />
            {GATES.map(({ name, ...limits }) => (
              <NumberInput
                key={name}
                label={t(`gates.${name}`)}
                description={t(`gates.${name}_about`)}
                placeholder={t("gates.none")}
                {...limits}
                decimalScale={3}
                value={fields[name] ?? ""}
                error={said(name)}
                onChange={(value) => set({ [name]: typeof value === "number" ? value : null })}
              />
            ))}
          </SimpleGrid>
        </Section>
        {Object.keys(changes).length > 0 && <Unsaved />}
        <Refusal error={save.error} fields={FIELDS} />
        <Group justify="space-between">
          <Confirmed
            label={t("gallery.delete")}
            question={t("gallery.delete_question", { name: gallery.name })}
            act={remove}
          >
            <Text size="sm">{t("gallery.delete_text")}</Text>
          </Confirmed>
          <Button
            type="submit"
            loading={save.isPending}
            disabled={Object.keys(changes).length === 0}
          >
            {t("common:action.save")}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
