import { Anchor, type AnchorProps } from "@mantine/core";
import { createLink } from "@tanstack/react-router";
import type { Ref } from "react";

function Bare({ ref, ...props }: Omit<AnchorProps, "href"> & { ref?: Ref<HTMLAnchorElement> }) {
  return <Anchor ref={ref} underline="always" {...props} />;
}

/** A link within a text, to another page. */
export const TextLink = createLink(Bare);
