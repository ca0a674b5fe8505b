import { Alert } from "@mantine/core";
import { Trans, useTranslation } from "react-i18next";
import { api } from "../../shared/api/client";
import { AnchorLink } from "../../shared/ui/links";
import { useHere } from "../session/session";

/** What comes before a lookup, in a gallery without people. */
export function NobodyYet() {
  const { t } = useTranslation("lookup");
  const { gallery } = useHere();
  const found = api.useQuery("get", "/api/v1/people", {
    params: { query: { gallery: gallery.id, page_size: 1 } },
  });
  if (found.data?.results.length !== 0) return null;
  return (
    <Alert color="blue" title={t("nobody_yet.title")}>
      <Trans
        t={t}
        i18nKey="nobody_yet.text"
        components={{
          people: <AnchorLink to="/people" size="sm" />,
          imports: <AnchorLink to="/imports/new" size="sm" />,
        }}
      />
    </Alert>
  );
}
