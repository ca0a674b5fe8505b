import { expect, test } from "vitest";
import { addressOf, dayBegins, dayEnds, filled, parted, said, shortId } from "./filters";

test("empty filters are left out", () => {
  expect(filled({ actor: "", action: "person.", gallery: undefined })).toEqual({
    action: "person.",
  });
  expect(addressOf("/x", { a: "1 2", b: "" })).toBe("/x?a=1+2");
  expect(addressOf("/x", {})).toBe("/x");
});

test("a day is whole, wherever one is", () => {
  const begins = new Date(dayBegins("2026-03-29") ?? "");
  const ends = new Date(dayEnds("2026-03-29") ?? "");
  expect([begins.getHours(), begins.getDate()]).toEqual([0, 29]);
  expect([ends.getHours(), ends.getDate()]).toEqual([0, 30]);
  expect(dayBegins("yesterday")).toBeUndefined();
  expect(dayBegins("2026-99-99")).toBeUndefined();
  expect(dayEnds(undefined)).toBeUndefined();
});

test("targets", () => {
  expect(parted("person:01a2")).toEqual({ kind: "person", id: "01a2" });
  expect(parted("system")).toEqual({ kind: "system", id: "" });
  expect(shortId("01a2189f-7c7f-76fc-9bd5-deae799204ed")).toBe("…799204ed");
  expect(shortId("sweep")).toBe("sweep");
});

test("details are texts", () => {
  expect(said({ match_fpir: [0.003, 0.001], reason: "asked" })).toEqual([
    ["match fpir", "[0.003,0.001]"],
    ["reason", "asked"],
  ]);
});
