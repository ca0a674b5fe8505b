import { useTranslation } from "react-i18next";
import { api } from "../../shared/api/client";
import { AnchorLink } from "../../shared/ui/links";
import { calledBy } from "./person";
import { TEXTS } from "./texts";

/** Somebody by name, leading to their page. */
export function PersonLink({ id }: { id: string }) {
  const { t } = useTranslation(TEXTS);
  const { data } = api.useQuery(
    "get",
    "/api/v1/people/{id}",
    { params: { path: { id } } },
    { staleTime: 60_000 },
  );
  return (
    <AnchorLink to="/people/$person" params={{ person: id }}>
      <bdi>{data === undefined ? "…" : (calledBy(data) ?? t("common:unnamed"))}</bdi>
    </AnchorLink>
  );
}
