import { Button, Modal, Select, Stack, Textarea, TextInput } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../../shared/api/client";
import { useHere } from "../session/session";
import { fieldError, slugOf } from "./figures";
import { Refusal } from "./parts";

const FIELDS = ["name", "slug", "description", "model"];

/** A dialog that makes a gallery, and goes there. */
export function MakeGallery({ opened, close }: { opened: boolean; close: () => void }) {
  const { t } = useTranslation("settings");
  return (
    <Modal opened={opened} onClose={close} title={t("gallery.make")}>
      <Form close={close} />
    </Modal>
  );
}

function Form({ close }: { close: () => void }) {
  const { t } = useTranslation("settings");
  const { chooseGallery } = useHere();
  const queries = useQueryClient();
  const models = api.useQuery("get", "/api/v1/models");
  const make = api.useMutation("post", "/api/v1/galleries");
  const [name, setName] = useState("");
  const [slug, setSlug] = useState<string | null>(null);
  const [description, setDescription] = useState("");
  const [model, setModel] = useState<string | null>(null);
  const installed = (models.data?.results ?? []).filter((each) => each.installed);
  const usual = installed.find((each) => each.default)?.name ?? null;
  const chosen = model ?? usual;
  const address = slug ?? slugOf(name);

  const submit = (event: FormEvent) => {
    event.preventDefault();
    const body = {
      name,
      slug: address,
      description,
      ...(chosen === null ? {} : { model: chosen }),
    };
    make.mutate(
      { body },
      {
        onSuccess: async (made) => {
          notifications.show({ message: t("gallery.made", { name: made.name }) });
          await queries.invalidateQueries({ queryKey: ["get", "/api/v1/session"] });
          close();
          chooseGallery(made.id);
        },
      },
    );
  };

  return (
    <form onSubmit={submit}>
      <Stack>
        <TextInput
          label={t("gallery.name")}
          data-autofocus
          required
          maxLength={200}
          value={name}
          error={fieldError(make.error, "name")}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <TextInput
          label={t("gallery.slug")}
          description={t("gallery.slug_about")}
          required
          maxLength={80}
          value={address}
          error={fieldError(make.error, "slug")}
          onChange={(event) => setSlug(event.currentTarget.value)}
        />
        <Textarea
          label={t("gallery.description")}
          value={description}
          error={fieldError(make.error, "description")}
          onChange={(event) => setDescription(event.currentTarget.value)}
        />
        <Select
          label={t("gallery.model")}
          description={t("gallery.model_about")}
          allowDeselect={false}
          value={chosen}
          error={fieldError(make.error, "model")}
          onChange={setModel}
          data={installed.map((each) => ({ value: each.name, label: each.name }))}
        />
        <Refusal error={make.error} fields={FIELDS} />
        <Button type="submit" loading={make.isPending}>
          {t("gallery.make_it")}
        </Button>
      </Stack>
    </form>
  );
}
