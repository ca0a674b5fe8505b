import { Alert, Button, Center } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { Schemas } from "../../shared/api/client";
import { useSentence } from "../../shared/ui/states";
import { isOfFields } from "./figures";

export type Role = Schemas["Role"];
export const ROLES: Role[] = ["viewer", "operator", "reviewer", "admin"];

/** The roles by name, for a choice. */
export function useRoles(): { value: Role; label: string }[] {
  const { t } = useTranslation("common");
  return ROLES.map((value) => ({ value, label: t(`role.${value}`) }));
}

/** Why something was refused, unless its fields say so themselves. */
export function Refusal({ error, fields }: { error: unknown; fields?: readonly string[] }) {
  const sentence = useSentence();
  if (error === null || error === undefined || isOfFields(error, fields ?? [])) return null;
  return (
    <Alert color="red" role="alert">
      {sentence(error)}
    </Alert>
  );
}

/** The button for the rest of a list. */
export function More(props: { has: boolean; isLoading: boolean; load: () => unknown }) {
  const { t } = useTranslation("common");
  if (!props.has) return null;
  return (
    <Center>
      <Button variant="default" loading={props.isLoading} onClick={() => void props.load()}>
        {t("action.more")}
      </Button>
    </Center>
  );
}
