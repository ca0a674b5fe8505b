import { MantineProvider, mergeThemeOverrides } from "@mantine/core";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { lazy, Suspense, useMemo } from "react";
import { useTranslation } from "react-i18next";
import "../shared/i18n";
import { makeQueryClient } from "./queries";
import { makeRouter } from "./router";
import { readable, theme } from "./theme";

const Notices = lazy(() => import("./Notices").then((part) => ({ default: part.Notices })));
const queries = makeQueryClient();
const router = makeRouter(queries);

/** The nonce of this page's Content-Security-Policy, for the styles that libraries add. */
function styleNonce(): string {
  return document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce ?? "";
}

declare global {
  interface Window {
    /** Where the library that keeps a page still behind a dialog looks for the nonce. */
    __webpack_nonce__?: string;
  }
}
window.__webpack_nonce__ = styleNonce();

export function App() {
  const { t } = useTranslation();
  const close = t("action.close");
  const localized = useMemo(() => {
    const named = { defaultProps: { closeButtonProps: { "aria-label": close } } };
    return mergeThemeOverrides(theme, {
      components: { Modal: named, Drawer: named, Notification: named },
    });
  }, [close]);
  return (
    <MantineProvider
      theme={localized}
      cssVariablesResolver={readable}
      defaultColorScheme="auto"
      getStyleNonce={styleNonce}
    >
      <Suspense>
        <Notices />
      </Suspense>
      <QueryClientProvider client={queries}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </MantineProvider>
  );
}
