import { type QueryClient, useMutation, useQueryClient } from "@tanstack/react-query";
import { createContext, useContext } from "react";
import { api, http, type Schemas } from "../../shared/api/client";

/** Who is signed in, and the galleries where they have a role. */
export type Session = Schemas["Session"];
export type User = NonNullable<Session["user"]>;
export type MyGallery = Session["galleries"][number];
export type Role = MyGallery["role"];

const KEY = api.queryOptions("get", "/api/v1/session").queryKey;
const ENDED = ["session", "ended"];
const ROLES: Role[] = ["viewer", "operator", "reviewer", "admin"];

/** The session as the server knows it. */
export function useSessionQuery() {
  return api.useQuery("get", "/api/v1/session", undefined, { staleTime: 60_000 });
}

/** Note that the API no longer knows us: the page stays, a dialog asks to sign in again. */
export function markSessionEnded(queries: QueryClient): void {
  queries.setQueryData(ENDED, true);
}

/** Sign in; everything that failed meanwhile is asked again. */
export function useSignIn() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async (body: { username: string; password: string }) => {
      const { data } = await http.POST("/api/v1/session", { body });
      return data as Session;
    },
    onSuccess: async (session) => {
      const before = queries.getQueryData<Session>(KEY)?.user?.id;
      if (before !== undefined && before !== session.user?.id) {
        // Somebody else's answers, and what they left undone, are not for whoever signs in now.
        queries.clear();
        window.location.assign("/");
        return;
      }
      queries.setQueryData(KEY, session);
      queries.setQueryData(ENDED, false);
      await queries.invalidateQueries({ predicate: (query) => query.queryKey !== KEY });
    },
  });
}

/** Sign out; nothing of what was seen stays in memory. */
export function useSignOut() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: () => http.DELETE("/api/v1/session"),
    onSuccess: () => {
      queries.clear();
      window.location.assign("/");
    },
  });
}

export const endedKey = ENDED;

export interface Here {
  session: Session;
  user: User;
  /** The gallery that is worked in. */
  gallery: MyGallery;
  chooseGallery: (id: string) => void;
}

export const HereContext = createContext<Here | null>(null);

/** Who works, and in which gallery. Only within the shell. */
export function useHere(): Here {
  const here = useContext(HereContext);
  if (here === null) throw new Error("outside the shell");
  return here;
}

/** Whether one's role in the gallery is `role` or more: each includes those before it. */
export function useMay(role: Role): boolean {
  const { user, gallery } = useHere();
  return user.is_site_admin || ROLES.indexOf(gallery.role) >= ROLES.indexOf(role);
}
