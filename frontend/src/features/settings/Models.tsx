import { Badge, Group, Stack, Table, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { api } from "../../shared/api/client";
import { percent } from "../../shared/lib/format";
import { Section } from "../../shared/ui/Section";
import { ErrorState, Loading } from "../../shared/ui/states";
import { WideTable } from "../../shared/ui/WideTable";
import { measured } from "./figures";

/** The models that galleries can have, and what is known of them. */
export function Models() {
  const { t } = useTranslation("settings");
  const found = api.useQuery("get", "/api/v1/models");
  return (
    <Section title={t("models.title")} about={t("models.about")}>
      {found.isPending && <Loading />}
      {found.isError && <ErrorState error={found.error} retry={found.refetch} />}
      {found.data && (
        <WideTable
          label={t("models.title")}
          minWidth={760}
          head={
            <>
              <Table.Th>{t("models.model")}</Table.Th>
              <Table.Th>{t("models.state")}</Table.Th>
              <Table.Th>{t("models.measured")}</Table.Th>
              <Table.Th>{t("models.licence")}</Table.Th>
            </>
          }
        >
          {found.data.results.map((model) => (
            <Table.Tr key={model.name}>
              <Table.Th scope="row" fw={500}>
                {model.name}
                <Text size="xs" fw={400}>
                  {model.title}
                </Text>
              </Table.Th>
              <Table.Td>
                <Group gap={4}>
                  <Badge color={model.installed ? "green" : "gray"} variant="light">
                    {t(model.installed ? "models.installed" : "models.not_installed")}
                  </Badge>
                  {model.default && <Badge variant="light">{t("models.default")}</Badge>}
                </Group>
              </Table.Td>
              <Table.Td>
                <Measured figures={model.measured} />
              </Table.Td>
              <Table.Td>
                <Text size="xs">{model.licence}</Text>
              </Table.Td>
            </Table.Tr>
          ))}
        </WideTable>
      )}
    </Section>
  );
}

function Measured({ figures }: { figures: Record<string, number> }) {
  const { t } = useTranslation("settings");
  const { accuracy, error, fta, tmr, others } = measured(figures);
  const lines = [
    ...(accuracy === undefined
      ? []
      : [t("models.accuracy", { value: percent(accuracy), error: percent(error ?? 0) })]),
    ...tmr.map(([fmr, value]) => t("models.tmr", { fmr, value: percent(value, 1) })),
    ...(fta === undefined ? [] : [t("models.fta", { value: percent(fta) })]),
    ...others.map(([name, value]) => `${name.replaceAll("_", " ")}: ${value}`),
  ];
  if (lines.length === 0) return <Text size="xs">{t("models.not_measured")}</Text>;
  return (
    <Stack gap={0}>
      {lines.map((line) => (
        <Text size="xs" key={line}>
          {line}
        </Text>
      ))}
    </Stack>
  );
}
