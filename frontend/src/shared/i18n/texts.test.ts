import { expect, test } from "vitest";

type Texts = { [key: string]: string | Texts };

const files = import.meta.glob<Texts>("/src/**/{en,zh}.json", { eager: true, import: "default" });
const folders = [...new Set(Object.keys(files).map((path) => path.slice(0, -"/en.json".length)))];

/** Each text by its whole key; plural forms are one text, since Chinese has no others. */
function flat(texts: Texts, prefix = ""): Map<string, string> {
  const found = new Map<string, string>();
  for (const [key, value] of Object.entries(texts)) {
    const name = `${prefix}${key.replace(/_(one|other)$/, "")}`;
    if (typeof value === "string") found.set(name, value);
    else for (const [inner, text] of flat(value, `${name}.`)) found.set(inner, text);
  }
  return found;
}

function gaps(text: string | undefined): string[] {
  return [...new Set(text?.match(/\{\{\w+/g))].sort();
}

test.each(folders)("%s says everything in both languages", (folder) => {
  const en = flat(files[`${folder}/en.json`] ?? {});
  const zh = flat(files[`${folder}/zh.json`] ?? {});
  expect([...zh.keys()].sort()).toEqual([...en.keys()].sort());
  for (const [key, text] of en) {
    expect([text.trim(), zh.get(key)?.trim()], key).not.toContain("");
    expect(gaps(zh.get(key)), key).toEqual(gaps(text));
  }
});
