import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// Django serves the page and, under /static/portal/, everything it loads.
export default defineConfig({
  base: "/static/portal/",
  // The server puts each answer's own nonce in the placeholder's place.
  html: { cspNonce: "__CSP_NONCE__" },
  plugins: [react()],
  build: {
    target: "es2022",
    // Inlined files would be `data:` addresses, which scripts and styles may not come from.
    assetsInlineLimit: 0,
    manifest: true,
  },
  server: {
    proxy: Object.fromEntries(
      ["/api", "/admin"].map((path) => [path, process.env.LIKENESS_API ?? "http://127.0.0.1:8000"]),
    ),
  },
  test: {
    environment: "jsdom",
    setupFiles: "./src/test-setup.ts",
    restoreMocks: true,
  },
});
