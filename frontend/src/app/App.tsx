import { MantineProvider } from "@mantine/core";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { lazy, Suspense } from "react";
import "../shared/i18n";
import { makeQueryClient } from "./queries";
import { makeRouter } from "./router";
import { theme } from "./theme";

const Notices = lazy(() => import("./Notices").then((part) => ({ default: part.Notices })));
const queries = makeQueryClient();
const router = makeRouter(queries);

/** The nonce of this page's Content-Security-Policy, for the styles that Mantine adds. */
function styleNonce(): string {
  return document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce ?? "";
}

export function App() {
  return (
    <MantineProvider theme={theme} defaultColorScheme="auto" getStyleNonce={styleNonce}>
      <Suspense>
        <Notices />
      </Suspense>
      <QueryClientProvider client={queries}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </MantineProvider>
  );
}
