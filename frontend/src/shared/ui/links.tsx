import { Anchor, type AnchorProps } from "@mantine/core";
import { createLink } from "@tanstack/react-router";
import type { AnchorHTMLAttributes, Ref } from "react";

type Props = Omit<AnchorProps, "href"> &
  Omit<AnchorHTMLAttributes<HTMLAnchorElement>, keyof AnchorProps> & {
    ref?: Ref<HTMLAnchorElement>;
  };

/** A link to a page of the portal, checked by the router's types; it looks like Mantine's. */
export const AnchorLink = createLink((props: Props) => <Anchor underline="always" {...props} />);
