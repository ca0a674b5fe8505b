import { useTranslation } from "react-i18next";
import { TextLink } from "./TextLink";
import { TEXTS } from "./texts";

/** The way to where a reviewer decides. */
export function ReviewLink({ review }: { review?: string }) {
  const { t } = useTranslation(TEXTS);
  return (
    <TextLink to="/reviews" search={review === undefined ? {} : { review: review }} size="sm">
      {t("standing.to_review")}
    </TextLink>
  );
}
