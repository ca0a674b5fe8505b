import { expect, test } from "vitest";
import { ProblemError } from "../../shared/api/problems";
import { endOfDay, fieldError, isOfFields, measured, slugOf } from "./figures";

test("slugs are what addresses take", () => {
  expect(slugOf("Main Entrance (north)")).toBe("main-entrance-north");
  expect(slugOf("  Éléonore's  ")).toBe("eleonore-s");
  expect(slugOf("正门")).toBe("");
  expect(slugOf("x".repeat(100))).toHaveLength(80);
});

test("a key is good until the end of its last day", () => {
  expect(endOfDay("")).toBeNull();
  expect(new Date(endOfDay("2026-11-26") ?? "").getDate()).toBe(26);
});

test("what the server says of fields", () => {
  const error = new ProblemError(400, "invalid", "Wrong.", { slug: "Too long." });
  expect(fieldError(error, "slug")).toBe("Too long.");
  expect(fieldError(error, "name")).toBeUndefined();
  expect(isOfFields(error, ["slug", "name"])).toBe(true);
  expect(isOfFields(error, ["name"])).toBe(false);
  expect(isOfFields(new ProblemError(409, "slug_taken", "Taken."), ["slug"])).toBe(false);
});

test("a model's figures by kind", () => {
  const found = measured({ accuracy: 0.99, accuracy_stderr: 0.002, "tmr_1e-3": 0.95, speed: 4 });
  expect(found).toEqual({
    accuracy: 0.99,
    error: 0.002,
    fta: undefined,
    tmr: [["1e-3", 0.95]],
    others: [["speed", 4]],
  });
});
