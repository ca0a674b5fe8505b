import { Alert, Group, Stack, Text } from "@mantine/core";
import { Dropzone } from "@mantine/dropzone";
import "@mantine/dropzone/styles.layer.css";
import { IconFileZip, IconUpload } from "@tabler/icons-react";
import { useState } from "react";
import { bytes } from "../../shared/lib/format";
import { type ArchiveFault, archiveFault } from "./archive";
import { useTexts } from "./texts";

/** Takes one archive; anything else is answered with a sentence. */
export function ArchiveDrop(props: {
  file: File | null;
  most: number;
  take: (file: File | null) => void;
}) {
  const { t } = useTexts();
  const [fault, setFault] = useState<ArchiveFault | "several" | "too_large" | null>(null);
  const [size, setSize] = useState(0);

  const look = async (files: File[]) => {
    const [file] = files;
    if (file === undefined || files.length > 1) {
      props.take(null);
      setFault("several");
      return;
    }
    const found = file.size > props.most ? "too_large" : await archiveFault(file);
    setSize(file.size);
    setFault(found);
    props.take(found === null ? file : null);
  };

  return (
    <Stack gap="xs">
      <Dropzone
        multiple
        maxFiles={0}
        onDrop={(files) => void look(files)}
        inputProps={{ "aria-label": t("form.drop") }}
        p="md"
      >
        <Group justify="center" gap="sm" mih={64} style={{ pointerEvents: "none" }}>
          {props.file ? (
            <IconFileZip size={32} aria-hidden />
          ) : (
            <IconUpload size={32} aria-hidden />
          )}
          <div>
            <Text style={{ overflowWrap: "anywhere" }}>
              {props.file ? <bdi>{props.file.name}</bdi> : t("form.drop")}
            </Text>
            <Text size="sm">
              {props.file
                ? `${bytes(props.file.size)} · ${t("form.drop_another")}`
                : t("form.drop_hint", { most: bytes(props.most) })}
            </Text>
          </div>
        </Group>
      </Dropzone>
      {fault !== null && (
        <Alert color="red" role="alert">
          {t(`form.fault.${fault}`, { size: bytes(size), most: bytes(props.most) })}
        </Alert>
      )}
    </Stack>
  );
}
