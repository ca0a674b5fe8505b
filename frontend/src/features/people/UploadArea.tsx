import {
  ActionIcon,
  Alert,
  Button,
  FileButton,
  Group,
  Progress,
  Stack,
  Text,
  Tooltip,
} from "@mantine/core";
import { Dropzone } from "@mantine/dropzone";
import "@mantine/dropzone/styles.layer.css";
import { IconPhotoPlus, IconRefresh, IconX } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { bytes } from "../../shared/lib/format";
import { useSentence } from "../../shared/ui/states";
import { TEXTS } from "./texts";
import { progressOf, type Upload } from "./useUploads";

/** Where photos, or folders of them, are dropped or chosen. The server judges what they are. */
export function DropPhotos(props: { add: (files: File[]) => void; disabled?: boolean }) {
  const { t } = useTranslation(TEXTS);
  const { disabled = false } = props;
  return (
    <Dropzone
      onDrop={props.add}
      disabled={disabled}
      activateOnClick={false}
      activateOnKeyboard={false}
      enablePointerEvents
      p="sm"
      style={{ transition: "none" }}
      tabIndex={-1}
      inputProps={{ "aria-hidden": true, tabIndex: -1 }}
    >
      <Group gap="sm" justify="center">
        <IconPhotoPlus size={24} aria-hidden />
        <Text size="sm">{t("photos.drop")}</Text>
        <FileButton onChange={props.add} multiple accept="image/*" disabled={disabled}>
          {(button) => (
            <Button {...button} size="xs" variant="light" disabled={disabled}>
              {t("photos.choose_files")}
            </Button>
          )}
        </FileButton>
      </Group>
    </Dropzone>
  );
}

/** How far the uploads are, and a sentence for each that failed. */
export function UploadList(props: {
  uploads: readonly Upload[];
  retry: (upload: Upload) => void;
  dismiss: (id: number) => void;
}) {
  const { t } = useTranslation(TEXTS);
  const sentence = useSentence();
  const { finished, all, isBusy } = progressOf(props.uploads);
  const failed = props.uploads.filter(({ state }) => state === "failed");
  return (
    <Stack gap="xs" aria-live="polite">
      {isBusy && (
        <div>
          <Text size="sm">{t("photos.sending", { finished, all })}</Text>
          <Progress
            value={(100 * finished) / Math.max(1, all)}
            aria-label={t("photos.sending", { finished, all })}
          />
        </div>
      )}
      {failed.map((upload) => (
        <Alert key={upload.id} color="red" p="xs">
          <Group gap="xs" wrap="nowrap" justify="space-between">
            <Text size="sm" style={{ overflowWrap: "anywhere" }}>
              <b>
                <bdi>{upload.file.name}</bdi>
              </b>{" "}
              ({bytes(upload.file.size)}): {sentence(upload.error)}
            </Text>
            <Group gap={4} wrap="nowrap">
              <Tooltip label={t("common:state.retry")}>
                <ActionIcon
                  variant="subtle"
                  color="red"
                  aria-label={`${t("common:state.retry")}: ${upload.file.name}`}
                  onClick={() => props.retry(upload)}
                >
                  <IconRefresh size={16} aria-hidden />
                </ActionIcon>
              </Tooltip>
              <Tooltip label={t("photos.dismiss")}>
                <ActionIcon
                  variant="subtle"
                  color="red"
                  aria-label={`${t("photos.dismiss")}: ${upload.file.name}`}
                  onClick={() => props.dismiss(upload.id)}
                >
                  <IconX size={16} aria-hidden />
                </ActionIcon>
              </Tooltip>
            </Group>
          </Group>
        </Alert>
      ))}
    </Stack>
  );
}
