import { describe, expect, it } from "vitest";
import { metadataOf, rowsOf } from "./metadata";

const text = (key: string, value: string) => ({ key, value, isJson: false });

describe("metadata as rows", () => {
  it("come back as they were", () => {
    const metadata = { desk: "7", floor: 7, tags: ["a", "b"], nothing: null, yes: true };
    expect(metadataOf(rowsOf(metadata))).toEqual({ metadata });
  });

  it("leave out empty rows and take spaces off keys", () => {
    expect(metadataOf([text(" desk ", "4 "), text("", " ")])).toEqual({ metadata: { desk: "4 " } });
  });

  it("say what is wrong", () => {
    expect(metadataOf([text("a", "1"), text("", "2")])).toEqual({
      fault: { row: 1, why: "no_key" },
    });
    expect(metadataOf([text("a", "1"), text("a", "2")])).toEqual({
      fault: { row: 1, why: "same_key" },
    });
    expect(metadataOf([{ key: "a", value: "{", isJson: true }])).toEqual({
      fault: { row: 0, why: "not_json" },
    });
  });

  it("take any key for a key", () => {
    const found = metadataOf([text("__proto__", "x")]);
    expect(JSON.stringify(found)).toBe('{"metadata":{"__proto__":"x"}}');
  });
});
