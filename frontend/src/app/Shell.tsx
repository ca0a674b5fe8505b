import {
  Alert,
  AppShell,
  Box,
  Burger,
  Button,
  Center,
  Group,
  Loader,
  Menu,
  Modal,
  NavLink,
  Select,
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
import { Suspense, useEffect } from "react";
import { useTranslation } from "react-i18next";
import { ChangePassword } from "../features/session/ChangePassword";
import { SignInForm } from "../features/session/SignIn";
import { SignInPage } from "../features/session/SignInPage";
import {
  endedKey,
  HereContext,
  type MyGallery,
  type Session,
  useSessionQuery,
  useSignOut,
} from "../features/session/session";
import { Logo } from "../shared/ui/Logo";
import { ErrorState } from "../shared/ui/states";
import { Appearance } from "./Appearance";

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
  if (session.isPending) {
    return (
      <Center h="100vh">
        <Loader aria-label={t("state.loading")} />
      </Center>
    );
  }
  if (session.isError) return <ErrorState error={session.error} retry={session.refetch} />;
  if (session.data.user === null) return <SignInPage />;
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
    <AppShell
      header={{ height: 52 }}
      navbar={{ width: 196, breakpoint: "sm", collapsed: { mobile: !isOpen } }}
      padding="md"
    >
      <a className="skip-link" href="#content">
        {t("nav.skip")}
      </a>
      <AppShell.Header>
        <Group h="100%" px="md" gap="sm" wrap="nowrap">
          <Burger
            opened={isOpen}
            onClick={toggle}
            hiddenFrom="sm"
            size="sm"
            aria-label={t("nav.toggle")}
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
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="xs" aria-label={t("nav.main")}>
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
      </AppShell.Navbar>
      <AppShell.Main id="content" tabIndex={-1}>
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
      </AppShell.Main>
      <SessionEnded username={user.username} />
    </AppShell>
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
    <Select
      aria-label={t("gallery.label")}
      size="xs"
      w={200}
      searchable={props.galleries.length > 8}
      allowDeselect={false}
      data={props.galleries.map(({ id, name }) => ({ value: id, label: name }))}
      value={props.chosen.id}
      onChange={(id) => id !== null && props.choose(id)}
    />
  );
}

function Account({ username }: { username: string }) {
  const { t } = useTranslation();
  const signOut = useSignOut();
  const [isChanging, { open, close }] = useDisclosure();
  return (
    <>
      <Menu width={280} position="bottom-end">
        <Menu.Target>
          <Button
            variant="subtle"
            size="xs"
            leftSection={<IconUser size={16} aria-hidden />}
            aria-label={`${t("account")}: ${username}`}
          >
            {username}
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Box p="xs">
            <Appearance />
          </Box>
          <Menu.Item onClick={open}>{t("session.change_password")}</Menu.Item>
          <Menu.Item onClick={() => signOut.mutate()}>{t("session.sign_out")}</Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <Modal opened={isChanging} onClose={close} title={t("session.change_password")}>
        <ChangePassword done={close} />
      </Modal>
    </>
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

/** Asks to sign in again over the page, which stays as it is. */
function SessionEnded({ username }: { username: string }) {
  const { t } = useTranslation();
  const { data: hasEnded = false } = useQuery({
    queryKey: endedKey,
    queryFn: () => false,
    initialData: false,
    staleTime: Number.POSITIVE_INFINITY,
  });
  return (
    <Modal
      opened={hasEnded}
      onClose={() => {}}
      withCloseButton={false}
      closeOnEscape={false}
      closeOnClickOutside={false}
      title={t("session.ended")}
    >
      <Text size="sm" mb="md">
        {t("session.ended_text")}
      </Text>
      <SignInForm username={username} />
    </Modal>
  );
}
