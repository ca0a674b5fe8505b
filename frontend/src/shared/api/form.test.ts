import { expect, it } from "vitest";
import { asForm, fileField } from "./form";

it("sends files as files, lists as several fields, and leaves out what isn't there", () => {
  const file = new File(["x"], "a.jpg");
  const form = asForm({ photo: fileField(file), galleries: ["a", "b"], n: 5, none: undefined });
  expect(form.get("photo")).toBeInstanceOf(File);
  expect(form.getAll("galleries")).toEqual(["a", "b"]);
  expect(form.get("n")).toBe("5");
  expect(form.has("none")).toBe(false);
});
