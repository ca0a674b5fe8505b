import { type Role, useHere } from "../session/session";

const RANKS: Record<Role, number> = { viewer: 0, operator: 1, reviewer: 2, admin: 3 };

/** What one may do in a person's gallery, which needn't be the one that is worked in. */
export function useRoleIn(gallery: string): (role: Role) => boolean {
  const { user, session } = useHere();
  const held = session.galleries.find(({ id }) => id === gallery)?.role;
  return (role) => user.is_site_admin || (held !== undefined && RANKS[held] >= RANKS[role]);
}
