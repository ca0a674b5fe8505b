import { Alert, Button, Group, Loader, Modal, NativeSelect, Stack } from "@mantine/core";
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import classes from "./lookup.module.css";
import { cameraTrouble, type Trouble } from "./trouble";

/** The camera's picture, and a button that takes it. */
export function Camera(props: { take: (photo: File) => void; close: () => void }) {
  const { t } = useTranslation(["lookup", "common"]);
  const video = useRef<HTMLVideoElement>(null);
  const [trouble, setTrouble] = useState<Trouble | null>(null);
  const [isReady, setReady] = useState(false);
  const [device, setDevice] = useState("");
  const [devices, setDevices] = useState<MediaDeviceInfo[]>([]);

  useEffect(() => {
    let stream: MediaStream | null = null;
    let isGone = false;
    const stop = () => {
      for (const track of stream?.getTracks() ?? []) track.stop();
    };
    const start = async () => {
      setTrouble(null);
      setReady(false);
      try {
        // Undefined where the page came over plain HTTP from another machine.
        if (navigator.mediaDevices === undefined) throw new TypeError("insecure");
        stream = await navigator.mediaDevices.getUserMedia({
          audio: false,
          video: { width: { ideal: 1920 }, ...(device ? { deviceId: { exact: device } } : {}) },
        });
        if (isGone) return stop();
        if (video.current) video.current.srcObject = stream;
        const all = await navigator.mediaDevices.enumerateDevices();
        setDevices(all.filter(({ kind }) => kind === "videoinput"));
      } catch (error) {
        if (!isGone) setTrouble(cameraTrouble(error));
      }
    };
    void start();
    return () => {
      isGone = true;
      stop();
    };
  }, [device]);

  const take = () => {
    const source = video.current;
    if (source === null) return;
    const canvas = document.createElement("canvas");
    canvas.width = source.videoWidth;
    canvas.height = source.videoHeight;
    canvas.getContext("2d")?.drawImage(source, 0, 0);
    canvas.toBlob(
      (blob) => {
        if (blob === null) return;
        const at = new Date().toTimeString().slice(0, 8).replaceAll(":", "");
        props.take(new File([blob], `camera-${at}.jpg`, { type: "image/jpeg" }));
        props.close();
      },
      "image/jpeg",
      0.95,
    );
  };

  return (
    <Modal opened onClose={props.close} size="lg" title={t("camera.title")}>
      <Stack>
        {trouble !== null ? (
          <Alert color="orange" role="alert" title={t("camera.none")}>
            {t(`camera.${trouble}`)}
          </Alert>
        ) : (
          <>
            <video
              ref={video}
              className={classes.video}
              autoPlay
              muted
              playsInline
              aria-label={t("camera.picture")}
              onLoadedData={() => setReady(true)}
            />
            {!isReady && <Loader size="sm" aria-label={t("common:state.loading")} />}
          </>
        )}
        {devices.length > 1 && (
          <NativeSelect
            label={t("camera.which")}
            value={device}
            onChange={(event) => setDevice(event.currentTarget.value)}
            data={devices.map(({ deviceId, label }, index) => ({
              value: deviceId,
              label: label || `${index + 1}`,
            }))}
          />
        )}
        <Group justify="flex-end">
          <Button variant="default" onClick={props.close}>
            {t("common:action.cancel")}
          </Button>
          <Button onClick={take} disabled={!isReady} data-autofocus>
            {t("camera.take")}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
