import type { QueryClient } from "@tanstack/react-query";
import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
} from "@tanstack/react-router";
import { Crashed, NotFound } from "../shared/ui/states";
import { Shell } from "./Shell";

const root = createRootRouteWithContext<{ queries: QueryClient }>()({
  component: Shell,
  notFoundComponent: () => <NotFound isPage />,
  errorComponent: Crashed,
});

type Search = Record<string, string>;

/** Filters live in the address: every value a string, so that links can be passed on. */
function texts(search: Record<string, unknown>): Search {
  return Object.fromEntries(
    Object.entries(search)
      .filter(([, value]) => ["string", "number", "boolean"].includes(typeof value))
      .map(([name, value]) => [name, String(value)]),
  );
}

const parent = { getParentRoute: () => root, validateSearch: texts };

const routes = [
  createRoute({
    ...parent,
    path: "/",
    component: lazyRouteComponent(() => import("../features/lookup/LookupPage"), "LookupPage"),
  }),
  createRoute({
    ...parent,
    path: "/lookups",
    component: lazyRouteComponent(() => import("../features/lookup/HistoryPage"), "HistoryPage"),
  }),
  createRoute({
    ...parent,
    path: "/lookups/$search",
    component: lazyRouteComponent(
      () => import("../features/lookup/PastLookupPage"),
      "PastLookupPage",
    ),
  }),
  createRoute({
    ...parent,
    path: "/people",
    component: lazyRouteComponent(() => import("../features/people/PeoplePage"), "PeoplePage"),
  }),
  createRoute({
    ...parent,
    path: "/people/$person",
    component: lazyRouteComponent(() => import("../features/people/PersonPage"), "PersonPage"),
  }),
  createRoute({
    ...parent,
    path: "/reviews",
    component: lazyRouteComponent(() => import("../features/reviews/ReviewsPage"), "ReviewsPage"),
  }),
  createRoute({
    ...parent,
    path: "/imports",
    component: lazyRouteComponent(() => import("../features/imports/ImportsPage"), "ImportsPage"),
  }),
  createRoute({
    ...parent,
    path: "/imports/new",
    component: lazyRouteComponent(
      () => import("../features/imports/NewImportPage"),
      "NewImportPage",
    ),
  }),
  createRoute({
    ...parent,
    path: "/imports/$job",
    component: lazyRouteComponent(() => import("../features/imports/ImportPage"), "ImportPage"),
  }),
  createRoute({
    ...parent,
    path: "/thresholds",
    component: lazyRouteComponent(
      () => import("../features/thresholds/ThresholdsPage"),
      "ThresholdsPage",
    ),
  }),
  createRoute({
    ...parent,
    path: "/dashboard",
    component: lazyRouteComponent(
      () => import("../features/dashboard/DashboardPage"),
      "DashboardPage",
    ),
  }),
  createRoute({
    ...parent,
    path: "/logs",
    component: lazyRouteComponent(() => import("../features/audit/LogsPage"), "LogsPage"),
  }),
  createRoute({
    ...parent,
    path: "/settings",
    component: lazyRouteComponent(
      () => import("../features/settings/SettingsPage"),
      "SettingsPage",
    ),
  }),
] as const;

/** Every page; all but the first are loaded when they are gone to. */
export function makeRouter(queries: QueryClient) {
  return createRouter({
    routeTree: root.addChildren(routes),
    context: { queries },
    defaultPreload: "intent",
    defaultErrorComponent: Crashed,
    scrollRestoration: true,
  });
}

declare module "@tanstack/react-router" {
  interface Register {
    router: ReturnType<typeof makeRouter>;
  }
}
