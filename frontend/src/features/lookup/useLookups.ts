import { useSyncExternalStore } from "react";
import { useHere } from "../session/session";
import { Lookups } from "./lookups";
import { lookUp } from "./requests";

let kept: { whose: string; lookups: Lookups } | null = null;

/** The photos of this page, which are still there when one comes back from a person's. */
function lookupsOf(whose: string): Lookups {
  if (kept?.whose === whose) return kept.lookups;
  // Somebody else's photos, or another gallery's, are not for here.
  kept?.lookups.clear();
  kept = { whose, lookups: new Lookups(lookUp) };
  return kept.lookups;
}

export function useLookups() {
  const { user, gallery } = useHere();
  const lookups = lookupsOf(`${user.id} ${gallery.id}`);
  const state = useSyncExternalStore(lookups.subscribe, lookups.snapshot);
  return { lookups, ...state };
}
