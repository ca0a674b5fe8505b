import { Button, Table, Text } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { count, percent, score } from "../../shared/lib/format";
import { Section } from "../../shared/ui/Section";
import { ErrorState, Loading } from "../../shared/ui/states";
import classes from "./Person.module.css";
import { PersonLink } from "./PersonLink";
import { Portrait } from "./Portrait";
import type { Person } from "./person";
import { TEXTS } from "./texts";
import { useTemplate } from "./usePerson";

const SHOWN = 8;

/** What searches compare with: which faces are in it, and how well each fits the others. */
export function Template({ person }: { person: Person }) {
  const { t } = useTranslation(TEXTS);
  const query = useTemplate(person.id, person.active === true);
  return (
    <Section title={t("template.title")}>
      {query.data === undefined ? (
        query.isError ? (
          <ErrorState error={query.error} retry={query.refetch} />
        ) : (
          <Loading lines={2} />
        )
      ) : query.data.faces === 0 ? (
        <Text size="sm">{t("template.none")}</Text>
      ) : (
        <Parts person={person} template={query.data} />
      )}
    </Section>
  );
}

function Parts(props: {
  person: Person;
  template: NonNullable<ReturnType<typeof useTemplate>["data"]>;
}) {
  const { t } = useTranslation(TEXTS);
  const [showsAll, setShowsAll] = useState(false);
  const { person, template } = props;
  const shown = showsAll ? template.parts : template.parts.slice(0, SHOWN);
  const hidden = template.parts.length - shown.length;
  return (
    <>
      <Text size="sm" mb="xs">
        {t("template.of", { count: template.faces, shown: count(template.faces) })}{" "}
        {person.active && t(template.searchable ? "template.searchable" : "template.not_yet")}
      </Text>
      <Table fz="sm" verticalSpacing={4} horizontalSpacing="xs">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{t("template.face")}</Table.Th>
            <Table.Th ta="end">{t("template.weight")}</Table.Th>
            <Table.Th ta="end">{t("template.score")}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {shown.map((part, index) => (
            <Table.Tr key={part.face ?? `brought-${index}`}>
              <Table.Td>
                {part.face === null ? (
                  t("template.brought", { count: part.faces })
                ) : (
                  <Portrait face={part.face} className={classes.crop} size={18} />
                )}
                {part.person !== person.id && <PersonLink id={part.person} />}
              </Table.Td>
              <Table.Td ta="end">{percent(part.weight, 1)}</Table.Td>
              <Table.Td ta="end">{score(part.score)}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      {hidden > 0 && (
        <Button size="compact-xs" variant="subtle" onClick={() => setShowsAll(true)}>
          {t("template.more", { count: hidden, shown: count(hidden) })}
        </Button>
      )}
      <Text size="xs" mt="xs">
        {t("template.explained")}
      </Text>
    </>
  );
}
