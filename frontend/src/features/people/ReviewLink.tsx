import { useTranslation } from "react-i18next";

import { AnchorLink } from "../../shared/ui/links";
import { TEXTS } from "./texts";

/** The way to where a reviewer decides. */
export function ReviewLink({ review }: { review?: string }) {
  const { t } = useTranslation(TEXTS);
  return (
    <AnchorLink to="/reviews" search={review === undefined ? {} : { review: review }} size="sm">
      {t("standing.to_review")}
    </AnchorLink>
  );
}
