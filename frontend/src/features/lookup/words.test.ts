import { describe, expect, it } from "vitest";
import en from "./en.json";
import { cameraTrouble } from "./trouble";
import {
  cropOf,
  doubt,
  howOften,
  isAtLeast,
  margins,
  poorBecause,
  reaching,
  telling,
} from "./words";
import zh from "./zh.json";

const limits = {
  tier: 1000,
  match: 0.8,
  review: 0.6,
  margin: 10,
  calibrations: [],
  overridden: false,
};
const of = (...scores: number[]) => scores.map((score) => ({ score }));

describe("doubt", () => {
  it("tells the score, the runner-up and the policy apart", () => {
    expect(doubt({ candidates: of(0.7), margin: null }, limits)).toBe("between");
    expect(doubt({ candidates: of(0.9, 0.89), margin: 2 }, limits)).toBe("margin");
    expect(doubt({ candidates: of(0.9, 0.3), margin: 500 }, limits)).toBe("person");
    expect(doubt({ candidates: [], margin: null }, limits)).toBeNull();
  });
});

describe("margins", () => {
  it("compares each with the next", () => {
    const rates = [0.001, 0.1, 0.2].map((rate) => ({ stranger_rate: rate }));
    expect(margins(rates)).toEqual([100, 2, null]);
    expect(margins([{ stranger_rate: 0 }, { stranger_rate: 0.1 }])).toEqual([null, null]);
    expect(margins([{ stranger_rate: null }])).toEqual([null]);
  });
});

describe("poorBecause", () => {
  const because = (...codes: string[]) =>
    poorBecause({ quality_problems: codes.map((code) => ({ code, text: "" })) });
  it("gives the plainest reasons, never the size alone", () => {
    expect(because("face_too_small", "blurred", "poor_quality")).toEqual(["blurred"]);
    expect(because("face_too_small")).toEqual(["poor_quality"]);
    expect(because("poor_quality")).toEqual(["poor_quality"]);
  });
});

describe("howOften", () => {
  it("says a rare rate as one in so many, a common one as a share", () => {
    expect(howOften(1 / 4200)).toEqual({ key: "one_in", value: "4,200" });
    expect(howOften(0.74)).toEqual({ key: "share", value: "74%" });
    expect(howOften(0).key).toBe("never");
  });
});

it("counts those from the score on from which a person looks", () => {
  expect(reaching(of(0.9, 0.61, 0.5), limits)).toBe(2);
  expect(reaching(of(0.9, 0.5), null)).toBe(2);
});

it("finds the face that says most", () => {
  expect(telling([{ decision: "no_match" }, { decision: "review" }])).toBe(1);
  expect(telling([{ decision: null }])).toBe(0);
});

it("knows that each role includes those before it", () => {
  expect(isAtLeast("reviewer", "operator")).toBe(true);
  expect(isAtLeast("viewer", "operator")).toBe(false);
  expect(isAtLeast(undefined, "viewer")).toBe(false);
});

it("cuts a face out as the server does, within the photo", () => {
  const crop = cropOf({ x: 10, y: 50, width: 100, height: 80 }, { width: 120, height: 200 });
  expect(crop).toEqual({ x: 0, y: 30, width: 120, height: 120 });
});

it("knows why there is no camera", () => {
  expect(cameraTrouble(new DOMException("", "NotAllowedError"))).toBe("refused");
  expect(cameraTrouble(new DOMException("", "NotFoundError"))).toBe("absent");
  expect(cameraTrouble(new DOMException("", "NotReadableError"))).toBe("busy");
  expect(cameraTrouble(new TypeError("insecure"))).toBe("insecure");
  expect(cameraTrouble("?")).toBe("failed");
});

it("has the same texts in both languages, with the same figures in them", () => {
  const flat = (texts: object, path = ""): [string, string][] =>
    Object.entries(texts).flatMap(([name, text]) =>
      typeof text === "string"
        ? [[path + name, (text.match(/{{\w+}}/g) ?? []).sort().join()] as [string, string]]
        : flat(text, `${path}${name}.`),
    );
  const own = Object.fromEntries(flat(en));
  const other = Object.fromEntries(flat(zh));
  expect(Object.keys(other).sort()).toEqual(Object.keys(own).sort());
  const isPlural = (name: string) => /_(zero|one|other)$/.test(name);
  for (const name of Object.keys(own).filter((each) => !isPlural(each))) {
    expect([name, other[name]]).toEqual([name, own[name]]);
  }
});
