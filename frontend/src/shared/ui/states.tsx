import { Alert, Button, Center, Group, Skeleton, Stack, Text, Title } from "@mantine/core";
import { IconAlertTriangle, IconLock, IconMapQuestion } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { ProblemError } from "../api/problems";

/** Turns whatever was thrown into a sentence that says what to do next. */
export function useSentence(): (error: unknown) => string {
  const { t } = useTranslation();
  return (error) => {
    if (!(error instanceof ProblemError)) return t("state.crashed");
    if (error.status === 401) return t("state.signed_out");
    if (error.code === "unreachable") return t("state.unreachable");
    if (error.code === "no_answer") return t("state.no_answer", { status: error.status });
    const fields = Object.entries(error.fields).map(([field, said]) => `${field}: ${said}`);
    return fields.length > 0 ? fields.join(" ") : error.message;
  };
}

/** A page or a part of it that couldn't be loaded, with another try. */
export function ErrorState({ error, retry }: { error: unknown; retry?: () => unknown }) {
  const { t } = useTranslation();
  const sentence = useSentence();
  const status = error instanceof ProblemError ? error.status : undefined;
  if (status === 403) return <Forbidden>{sentence(error)}</Forbidden>;
  if (status === 404) return <NotFound />;
  return (
    <Alert
      color="red"
      icon={<IconAlertTriangle aria-hidden />}
      title={t("state.error_title")}
      role="alert"
    >
      <Stack align="flex-start" gap="xs">
        <Text size="sm">{sentence(error)}</Text>
        {retry && (
          <Button size="xs" variant="default" onClick={() => void retry()}>
            {t("state.retry")}
          </Button>
        )}
      </Stack>
    </Alert>
  );
}

/** What a role may not do. */
export function Forbidden({ children }: { children?: ReactNode }) {
  const { t } = useTranslation();
  return (
    <Alert color="yellow" icon={<IconLock aria-hidden />} title={t("state.forbidden_title")}>
      {children ?? t("state.forbidden")}
    </Alert>
  );
}

/** No page, or no record, at this address. */
export function NotFound({ isPage = false }: { isPage?: boolean }) {
  const { t } = useTranslation();
  return (
    <Empty
      icon={<IconMapQuestion size={40} aria-hidden />}
      title={t("state.not_found_title")}
      order={isPage ? 1 : 2}
    >
      <Text size="sm">{t("state.not_found")}</Text>
      <Button component={Link} to="/" variant="light">
        {t("state.home")}
      </Button>
    </Empty>
  );
}

/** A defect of the portal itself: never a blank page. */
export function Crashed({ error, reset }: { error: unknown; reset?: () => void }) {
  const { t } = useTranslation();
  if (error instanceof ProblemError) {
    return reset ? <ErrorState error={error} retry={reset} /> : <ErrorState error={error} />;
  }
  return (
    <Alert color="red" title={t("state.error_title")} role="alert">
      <Stack align="flex-start" gap="xs">
        <Text size="sm">{t("state.crashed")}</Text>
        <Button size="xs" variant="default" onClick={() => window.location.reload()}>
          {t("state.retry")}
        </Button>
      </Stack>
    </Alert>
  );
}

/** Nothing here yet, and what to do about it. */
export function Empty(props: {
  icon?: ReactNode;
  title: string;
  order?: 1 | 2;
  children?: ReactNode;
}) {
  return (
    <Center py="xl">
      <Stack align="center" gap="xs" maw={480} ta="center">
        {props.icon}
        <Title order={props.order ?? 2} size="h4">
          {props.title}
        </Title>
        {props.children}
      </Stack>
    </Center>
  );
}

/** The shape of what is being loaded. */
export function Loading({ lines = 4 }: { lines?: number }) {
  const { t } = useTranslation();
  return (
    <Stack role="status" aria-label={t("state.loading")} aria-busy>
      {Array.from({ length: lines }, (_, line) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: they are all alike
        <Skeleton key={line} height={36} />
      ))}
    </Stack>
  );
}

/**
 * A page's title with what can be done on it, and its content.
 *
 * `heading` stands for the title where a text isn't enough: a name needs its `<bdi>`.
 */
export function Page(props: {
  title: string;
  heading?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
}) {
  return (
    <Stack gap="md">
      <title>{`${props.title} · Likeness`}</title>
      <Group justify="space-between" gap="xs">
        <Title order={1} size="h3" miw={0} style={{ overflowWrap: "anywhere" }}>
          {props.heading ?? props.title}
        </Title>
        {props.actions && <Group gap="xs">{props.actions}</Group>}
      </Group>
      {props.children}
    </Stack>
  );
}
