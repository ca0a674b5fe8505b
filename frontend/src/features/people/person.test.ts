import { describe, expect, it } from "vitest";
import {
  actorParts,
  boxText,
  type Change,
  calledBy,
  erasureWord,
  isTyped,
  mergedFrom,
} from "./person";

describe("a person", () => {
  it("is called by the name, else by the external id", () => {
    expect(calledBy({ name: "Ada", external_id: "7" })).toBe("Ada");
    expect(calledBy({ name: "", external_id: "7" })).toBe("7");
    expect(calledBy({ name: "", external_id: "" })).toBeUndefined();
  });

  it("is erased by a word that can't be somebody else's, if there is one", () => {
    expect(erasureWord({ id: "u", name: "Ada", external_id: "7" })).toBe("7");
    expect(erasureWord({ id: "u", name: "Ada", external_id: "" })).toBe("Ada");
    expect(erasureWord({ id: "u", name: "", external_id: "" })).toBe("u");
  });

  it("is erased however the word was composed, but only by the whole word", () => {
    expect(isTyped(" Zoe\u0308 ", "Zo\u00eb")).toBe(true);
    expect(isTyped("Zoe", "Zoë")).toBe(false);
    expect(isTyped("", "Ada")).toBe(false);
  });
});

describe("what the API writes as one word", () => {
  it("is taken apart and put together", () => {
    expect(actorParts("user:12:3")).toEqual({ kind: "user", name: "12:3" });
    expect(actorParts("someone")).toEqual({ kind: "", name: "someone" });
    expect(boxText({ x: 1.5, y: 2, width: 30, height: 40 })).toBe("1.5,2,30,40");
  });
});

describe("those merged into somebody", () => {
  const change = (fields: Partial<Change>): Change => ({
    id: "c",
    kind: "merge",
    person: "a",
    other: "b",
    actor: "user:1",
    photos: [],
    created_at: "2026-01-01T00:00:00Z",
    ...fields,
  });

  it("are those of merges that stand", () => {
    const changes = [
      change({}),
      change({ other: "c", undone_at: "2026-01-02T00:00:00Z" }),
      change({ other: "d", kind: "apart" }),
      change({ person: "z", other: "a" }),
    ];
    expect(mergedFrom("a", changes)).toEqual(["b"]);
  });
});
