/**
 * How much JavaScript the first page loads, compressed; an error above the limit.
 *
 * Reads the manifest of the last build: what index.html loads, what "/" then needs, and what the
 * application fetches at once besides. Parts that wait for a click (menus, dialogs) don't count.
 */
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const LIMIT = 250_000;
const DIST = new URL("../dist/", import.meta.url);
const AT_ONCE = ["src/features/lookup/LookupPage.tsx", "src/app/vitals.ts", "src/app/Notices.tsx"];

const manifest = JSON.parse(readFileSync(new URL(".vite/manifest.json", DIST), "utf-8"));
const isAtOnce = (key) => key === "index.html" || AT_ONCE.some((part) => key.includes(part));

const print = (line) => process.stdout.write(`${line}\n`);

const files = new Set();
function follow(key) {
  const { file, imports = [] } = manifest[key];
  if (files.has(file)) return;
  files.add(file);
  for (const each of imports) follow(each);
}
const starts = Object.keys(manifest).filter(isAtOnce);
if (starts.length !== AT_ONCE.length + 1) {
  throw new Error(`the manifest has ${starts}: mend the list of what is loaded at once`);
}
for (const key of starts) follow(key);

let total = 0;
for (const file of files) {
  const size = gzipSync(readFileSync(new URL(file, DIST)), { level: 9 }).length;
  total += size;
  print(`${(size / 1000).toFixed(1).padStart(7)} kB  ${file}`);
}
print(`${(total / 1000).toFixed(1).padStart(7)} kB  of ${LIMIT / 1000} kB: the first page`);
if (total > LIMIT) {
  print("The first page loads too much JavaScript: load what isn't needed at once later.");
  process.exit(1);
}
