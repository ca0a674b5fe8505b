import { Notifications } from "@mantine/notifications";

/** Where short messages appear; what is said before this is loaded waits for it. */
export function Notices() {
  return <Notifications position="bottom-right" limit={3} />;
}
