import {
  Alert,
  Box,
  Burger,
  Button,
  Center,
  Loader,
  NativeSelect,
  NavLink,
  Text,
} from "@mantine/core";
import { useDisclosure, useLocalStorage, useNetwork } from "@mantine/hooks";
import {
  IconAdjustments,
  IconChecks,
  IconDashboard,
  IconFileSearch,
  IconListDetails,
  IconPackageImport,
  IconSettings,
  IconUser,
  IconUsers,
} from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link, Outlet, useLocation } from "@tanstack/react-router";
import { lazy, Suspense, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import {
  endedKey,
  HereContext,
  type MyGallery,
  type Session,
  useSessionQuery,
} from "../features/session/session";
import { Logo } from "../shared/ui/Logo";
import { ErrorState } from "../shared/ui/states";
import classes from "./Shell.module.css";

// What isn't needed to show the first page is loaded when it is: menus and dialogs are heavy.
const loadAccount = () => import("./AccountMenu");
const AccountMenu = lazy(() => loadAccount().then((part) => ({ default: part.AccountMenu })));
const SessionEnded = lazy(() =>
  import("./SessionEnded").then((part) => ({ default: part.SessionEnded })),
);
const SignInPage = lazy(() =>
  import("../features/session/SignInPage").then((part) => ({ default: part.SignInPage })),
);

const PAGES = [
  { path: "/", name: "lookup", icon: IconFileSearch },
  { path: "/people", name: "people", icon: IconUsers },
  { path: "/reviews", name: "reviews", icon: IconChecks },
  { path: "/imports", name: "imports", icon: IconPackageImport },
  { path: "/thresholds", name: "thresholds", icon: IconAdjustments },
  { path: "/dashboard", name: "dashboard", icon: IconDashboard },
  { path: "/logs", name: "audit", icon: IconListDetails },
  { path: "/settings", name: "settings", icon: IconSettings },
] as const;

/** The frame around every page: signed in or not, menu, gallery, and what concerns all pages. */
export function Shell() {
  const { t } = useTranslation();
  const session = useSessionQuery();
  const loading = (
    <Center h="100vh">
      <Loader aria-label={t("state.loading")} />
    </Center>
  );
  if (session.isPending) return loading;
  if (session.isError) return <ErrorState error={session.error} retry={session.refetch} />;
  if (session.data.user === null) {
    return (
      <Suspense fallback={loading}>
        <SignInPage />
      </Suspense>
    );
  }
  return <Signed session={session.data} />;
}

function Signed({ session }: { session: Session }) {
  const { t } = useTranslation();
  const [isOpen, { toggle, close }] = useDisclosure();
  const [stored, chooseGallery] = useLocalStorage({ key: "likeness.gallery", defaultValue: "" });
  const location = useLocation();
  // biome-ignore lint/correctness/useExhaustiveDependencies: the menu of a narrow window closes when the page changes
  useEffect(close, [location.pathname]);
  const { user } = session;
  if (user === null) return null;
  const gallery = session.galleries.find(({ id }) => id === stored) ?? session.galleries[0];
  const isWithout = gallery === undefined;

  return (
    <div className={classes.frame}>
      <a className="skip-link" href="#content">
        {t("nav.skip")}
      </a>
      <header className={classes.header}>
        <Burger
          opened={isOpen}
          onClick={toggle}
          hiddenFrom="sm"
          size="sm"
          aria-label={t("nav.toggle")}
          aria-expanded={isOpen}
          aria-controls="menu"
        />
        <Logo />
        <Text fw={600} visibleFrom="xs">
          Likeness
        </Text>
        <Box flex={1} />
        {!isWithout && (
          <GalleryChoice galleries={session.galleries} chosen={gallery} choose={chooseGallery} />
        )}
        <Account username={user.username} />
      </header>
      <nav
        id="menu"
        className={classes.menu}
        data-open={isOpen || undefined}
        aria-label={t("nav.main")}
      >
        {PAGES.map(({ path, name, icon: Icon }) => (
          <NavLink
            key={path}
            component={Link}
            to={path}
            label={t(`nav.${name}`)}
            leftSection={<Icon size={18} aria-hidden />}
            active={isAt(location.pathname, path)}
            aria-current={isAt(location.pathname, path) ? "page" : undefined}
          />
        ))}
      </nav>
      <main id="content" tabIndex={-1} className={classes.content}>
        <Offline />
        {isWithout ? (
          <WithoutGallery session={session} path={location.pathname} />
        ) : (
          <HereContext value={{ session, user, gallery, chooseGallery }}>
            <Suspense fallback={<Loader aria-label={t("state.loading")} />}>
              {/* Another gallery is another page: nothing of one may show in the other. */}
              <Outlet key={gallery.id} />
            </Suspense>
          </HereContext>
        )}
      </main>
      <WhenEnded username={user.username} />
    </div>
  );
}

function isAt(pathname: string, path: string): boolean {
  if (path === "/") return pathname === "/" || pathname.startsWith("/lookups");
  return pathname === path || pathname.startsWith(`${path}/`);
}

/** Only a site administrator can do something about it, in Settings. */
function WithoutGallery({ session, path }: { session: Session; path: string }) {
  const { t } = useTranslation();
  const { user } = session;
  if (!user?.is_site_admin) return <Alert>{t("gallery.none")}</Alert>;
  if (path !== "/settings") {
    return (
      <Alert>
        {t("gallery.none_admin")}{" "}
        <Button component={Link} to="/settings" size="xs" variant="light">
          {t("nav.settings")}
        </Button>
      </Alert>
    );
  }
  const nowhere: MyGallery = { id: "", name: "", role: "admin" };
  return (
    <HereContext value={{ session, user, gallery: nowhere, chooseGallery: () => {} }}>
      <Outlet />
    </HereContext>
  );
}

function GalleryChoice(props: {
  galleries: MyGallery[];
  chosen: MyGallery;
  choose: (id: string) => void;
}) {
  const { t } = useTranslation();
  return (
    <NativeSelect
      aria-label={t("gallery.label")}
      size="xs"
      w={200}
      data={props.galleries.map(({ id, name }) => ({ value: id, label: name }))}
      value={props.chosen.id}
      onChange={(event) => props.choose(event.currentTarget.value)}
    />
  );
}

/** The menu's button, until the menu is wanted. */
function Account({ username }: { username: string }) {
  const { t } = useTranslation();
  const [isWanted, setWanted] = useState(false);
  const button = (
    <Button
      variant="subtle"
      size="xs"
      leftSection={<IconUser size={16} aria-hidden />}
      aria-label={`${t("account")}: ${username}`}
      aria-haspopup="menu"
      onPointerEnter={() => void loadAccount()}
      onFocus={() => void loadAccount()}
      onClick={() => setWanted(true)}
    >
      {username}
    </Button>
  );
  if (!isWanted) return button;
  return (
    <Suspense fallback={button}>
      <AccountMenu username={username} />
    </Suspense>
  );
}

function Offline() {
  const { t } = useTranslation();
  const { online } = useNetwork();
  if (online) return null;
  return (
    <Alert color="orange" mb="md" role="status">
      {t("state.offline")}
    </Alert>
  );
}

function WhenEnded({ username }: { username: string }) {
  const { data: hasEnded = false } = useQuery({
    queryKey: endedKey,
    queryFn: () => false,
    initialData: false,
    staleTime: Number.POSITIVE_INFINITY,
  });
  if (!hasEnded) return null;
  return (
    <Suspense>
      <SessionEnded username={username} />
    </Suspense>
  );
}
