import { Alert, Button, Group, Modal, Pill, Stack, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconUserPlus } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../../shared/api/client";
import { useSentence } from "../../shared/ui/states";
import { Unsaved } from "../../shared/ui/Unsaved";
import { useHere } from "../session/session";
import { NO_FIELDS, PersonFields, usePersonForm } from "./PersonFields";
import { refreshPeople } from "./refresh";
import { TEXTS } from "./texts";
import { DropPhotos, UploadList } from "./UploadArea";
import { useUploads } from "./useUploads";

const SHOWN_FILES = 12;

/** The button that adds somebody, and its dialog. */
export function NewPerson() {
  const { t } = useTranslation(TEXTS);
  const [isOpen, { open, close }] = useDisclosure();
  const [isBusy, setBusy] = useState(false);
  return (
    <>
      <Button size="xs" leftSection={<IconUserPlus size={16} aria-hidden />} onClick={open}>
        {t("new.title")}
      </Button>
      <Modal
        opened={isOpen}
        onClose={() => !isBusy && close()}
        withCloseButton={!isBusy}
        closeOnClickOutside={false}
        title={t("new.title")}
        size="lg"
      >
        <NewPersonForm close={close} setBusy={setBusy} />
      </Modal>
    </>
  );
}

/** Makes the person, then sends the photos, then leads to the person's page. */
function NewPersonForm(props: { close: () => void; setBusy: (isBusy: boolean) => void }) {
  const { close, setBusy } = props;
  const { t } = useTranslation(TEXTS);
  const sentence = useSentence();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const { gallery } = useHere();
  const form = usePersonForm(NO_FIELDS);
  const [files, setFiles] = useState<File[]>([]);
  const create = api.useMutation("post", "/api/v1/people");
  const uploads = useUploads(() => {});
  const made = create.data?.id;
  const { all, failed, isBusy } = uploads.progress;
  useEffect(() => setBusy(isBusy), [isBusy, setBusy]);

  const submit = (event: FormEvent) => {
    event.preventDefault();
    const fields = form.read();
    if (fields === undefined) return;
    create.mutate(
      { body: { gallery: gallery.id, ...fields } },
      {
        onSuccess: (person) => {
          uploads.add(person.id, files);
          void refreshPeople(queries);
        },
      },
    );
  };

  // Files that failed keep the dialog: what is wrong with them is said here.
  const isDone = made !== undefined && !isBusy && failed === 0 && (all > 0 || files.length === 0);
  useEffect(() => {
    if (isDone) void navigate({ to: "/people/$person", params: { person: made } });
  }, [isDone, made, navigate]);

  if (made !== undefined) {
    return (
      <Stack>
        <Text size="sm">{t("new.made")}</Text>
        {isBusy && <Unsaved text={t("photos.leaving")} />}
        <UploadList
          uploads={uploads.uploads}
          retry={(upload) => uploads.retry(made, upload)}
          dismiss={uploads.dismiss}
        />
        <Group justify="flex-end">
          <Button
            disabled={isBusy}
            onClick={() => void navigate({ to: "/people/$person", params: { person: made } })}
          >
            {t("new.to_person")}
          </Button>
        </Group>
      </Stack>
    );
  }

  return (
    <form onSubmit={submit}>
      <Stack>
        <PersonFields form={form} problem={create.error} />
        <DropPhotos add={(more) => setFiles((before) => [...before, ...more])} />
        <ChosenFiles files={files} setFiles={setFiles} />
        {create.isError && (
          <Alert color="red" role="alert">
            {sentence(create.error)}
          </Alert>
        )}
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            {t("common:action.cancel")}
          </Button>
          <Button type="submit" loading={create.isPending}>
            {t("new.submit")}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

function ChosenFiles(props: { files: File[]; setFiles: (files: File[]) => void }) {
  const { t } = useTranslation(TEXTS);
  const { files, setFiles } = props;
  if (files.length === 0) return null;
  return (
    <div>
      <Text size="sm" mb={4} role="status">
        {t("new.files", { count: files.length })}
      </Text>
      <Pill.Group>
        {files.slice(0, SHOWN_FILES).map((file, index) => (
          <Pill
            // biome-ignore lint/suspicious/noArrayIndexKey: two files may have one name
            key={index}
            withRemoveButton
            removeButtonProps={{
              "aria-hidden": false,
              tabIndex: 0,
              "aria-label": `${t("photos.dismiss")}: ${file.name}`,
            }}
            onRemove={() => setFiles(files.filter((each) => each !== file))}
          >
            <bdi>{file.name}</bdi>
          </Pill>
        ))}
        {files.length > SHOWN_FILES && <Pill>+{files.length - SHOWN_FILES}</Pill>}
      </Pill.Group>
    </div>
  );
}
