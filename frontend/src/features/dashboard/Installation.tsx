import { Badge, Group, Progress, SimpleGrid, Stack, Table, Text, Title } from "@mantine/core";
import { IconAlertTriangle, IconCircleCheck, IconCircleX } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import type { Schemas } from "../../shared/api/client";
import { ago, bytes, count, percent } from "../../shared/lib/format";
import { Section } from "../../shared/ui/Section";
import { WideTable } from "../../shared/ui/WideTable";
import { byUrgency, type Part } from "./figures";

type Installation = Schemas["Installation"];

const LOOKS = {
  ok: { color: "green", icon: IconCircleCheck },
  warning: { color: "orange", icon: IconAlertTriangle },
  failed: { color: "red", icon: IconCircleX },
} as const;

/** The server's parts, for whoever runs it. */
export function InstallationFigures({ found }: { found: Installation }) {
  const { t } = useTranslation("dashboard");
  const bad = found.parts.filter((part) => part.state !== "ok").length;
  return (
    <>
      <Section title={t("parts.title")}>
        <Text size="sm" role="status">
          {bad === 0 ? t("parts.all_well") : t("parts.some_bad", { count: bad })}
        </Text>
        <Table aria-label={t("parts.title")} verticalSpacing={6}>
          <Table.Tbody>
            {byUrgency(found.parts).map((part) => (
              <PartRow key={part.name} part={part} />
            ))}
          </Table.Tbody>
        </Table>
      </Section>
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        <Section title={t("queues.title")} about={t("queues.about")}>
          <Queues found={found} />
        </Section>
        <Section title={t("disks.title")}>
          <Disks disks={found.disks} />
        </Section>
      </SimpleGrid>
      <Section title={t("workers.title")}>
        <Workers workers={found.workers} />
      </Section>
    </>
  );
}

function PartRow({ part }: { part: Part }) {
  const { t } = useTranslation("dashboard");
  const { color, icon: Icon } = LOOKS[part.state];
  const name = part.name.replaceAll(" ", "_") as keyof typeof NAMES;
  return (
    <Table.Tr>
      <Table.Th scope="row" fw={500} w={150}>
        {name in NAMES ? t(`parts.${name}`) : part.name}
      </Table.Th>
      <Table.Td w={130}>
        <Badge color={color} variant="light" leftSection={<Icon size={14} aria-hidden />}>
          {t(`parts.${part.state}`)}
        </Badge>
      </Table.Td>
      <Table.Td>
        <Text size="sm">{part.detail}</Text>
        {part.remedy && (
          <Text size="sm" fw={600}>
            {part.remedy}
          </Text>
        )}
      </Table.Td>
    </Table.Tr>
  );
}

// The checks that have a name in every language; others keep the server's.
const NAMES = {
  database: 1,
  media_folder: 1,
  disk_space: 1,
  broker: 1,
  workers: 1,
  clock: 1,
  photos: 1,
  imports: 1,
  milvus: 1,
  index: 1,
  index_lag: 1,
  recall: 1,
  rebuilds: 1,
  calibration: 1,
};

function Queues({ found }: { found: Installation }) {
  const { t } = useTranslation("dashboard");
  if (found.queues === null) return <Text size="sm">{t("unreadable")}</Text>;
  return (
    <Stack gap="xs">
      <Table aria-label={t("queues.title")} verticalSpacing={4}>
        <Table.Tbody>
          {Object.entries(found.queues).map(([name, waiting]) => (
            <Table.Tr key={name}>
              <Table.Th scope="row" fw={400}>
                {name}
              </Table.Th>
              <Table.Td ta="right">{count(waiting)}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      {found.photos && (
        <Text size="sm">
          {t("queues.photos", {
            received: count(found.photos.received),
            processing: count(found.photos.processing),
          })}
        </Text>
      )}
    </Stack>
  );
}

function Disks({ disks }: { disks: Installation["disks"] }) {
  const { t } = useTranslation("dashboard");
  if (disks === null) return <Text size="sm">{t("unreadable")}</Text>;
  return (
    <Stack gap="md">
      {disks.map((disk) => {
        const used = 1 - disk.free_bytes / disk.total_bytes;
        const label = t(`disks.${disk.holds}`);
        return (
          <div key={disk.holds}>
            <Title order={3} size="h6">
              {label}
            </Title>
            <Progress
              value={100 * used}
              color={used > 0.9 ? "red" : used > 0.8 ? "orange" : "petrol"}
              aria-label={label}
              my={4}
            />
            <Text size="sm">
              {t("disks.free", {
                free: bytes(disk.free_bytes),
                total: bytes(disk.total_bytes),
                used: percent(used, 0),
              })}
            </Text>
          </div>
        );
      })}
    </Stack>
  );
}

function Workers({ workers }: { workers: Installation["workers"] }) {
  const { t } = useTranslation("dashboard");
  if (workers === null) return <Text size="sm">{t("unreadable")}</Text>;
  if (workers.length === 0) return <Text size="sm">{t("workers.none")}</Text>;
  return (
    <WideTable
      label={t("workers.title")}
      minWidth={620}
      head={
        <>
          <Table.Th>{t("workers.name")}</Table.Th>
          <Table.Th>{t("workers.queues")}</Table.Th>
          <Table.Th>{t("workers.does")}</Table.Th>
          <Table.Th>{t("workers.seen")}</Table.Th>
          <Table.Th ta="right">{t("workers.memory")}</Table.Th>
        </>
      }
    >
      {workers.map((worker) => (
        <Table.Tr key={worker.name}>
          <Table.Th scope="row" fw={500}>
            {worker.name}
          </Table.Th>
          <Table.Td>{worker.queues.join(", ")}</Table.Td>
          <Table.Td>
            {worker.task || t("workers.waits")}
            {worker.task_since && <Text size="xs">{ago(worker.task_since)}</Text>}
          </Table.Td>
          <Table.Td>
            <Group gap="xs">
              {ago(worker.seen_at)}
              {!worker.fresh && (
                <Badge color="red" variant="light">
                  {t("workers.silent")}
                </Badge>
              )}
            </Group>
          </Table.Td>
          <Table.Td ta="right">{bytes(worker.memory_bytes)}</Table.Td>
        </Table.Tr>
      ))}
    </WideTable>
  );
}
