import { describe, expect, it } from "vitest";
import { nextCursor } from "../../shared/api/cursor";
import { readAddresses } from "./addresses";
import { archiveFault } from "./archive";
import { doneShare, type Job, pollingOf, stepsOf } from "./jobs";
import { guess, parseHeader, readHeader, withColumns } from "./table";
import { isSameFile } from "./uploads";

describe("archives", () => {
  it.each([
    [new Blob([]), "empty"],
    [new Blob(["hello, this is text"]), "not_archive"],
    [new Blob([Uint8Array.of(0xff, 0xd8, 0xff, 0xe0)]), "photo"],
    [new Blob(["PK\u0003\u0004 and so on"]), null],
    [new Blob([Uint8Array.of(0x1f, 0x8b, 8)]), null],
    [new Blob([new Uint8Array(257), "ustar"]), null],
  ])("are told by their first bytes", async (file, fault) => {
    expect(await archiveFault(file)).toBe(fault);
  });
});

describe("the columns of a table", () => {
  it("are guessed, whatever separates them", () => {
    const header = parseHeader('Path;"Employee ID";Name;Team\nx;1;A;b\n');
    expect(header?.columns).toEqual(["Path", "Employee ID", "Name", "Team"]);
    expect(guess(header?.columns ?? [])).toEqual({ file: 0, external_id: 1, name: 2 });
  });

  it("are never guessed twice", () => {
    expect(guess(["file", "file_name"])).toEqual({ file: 0 });
  });

  it("are named anew; nothing else of the file changes", async () => {
    const table = new Blob(['\uFEFF"Foto, Nr",工号,name\r\na.jpg,7,张\r\n']);
    const header = await readHeader(table);
    expect(header?.columns).toEqual(["Foto, Nr", "工号", "name"]);
    if (header === null) throw new Error("no header");
    const sent = withColumns(table, header, { file: 0, external_id: 1 });
    expect(new Uint8Array(await sent.slice(0, 3).arrayBuffer())).toEqual(
      Uint8Array.of(0xef, 0xbb, 0xbf),
    );
    // What has one of the server's names and was not chosen is metadata.
    expect(await sent.slice(3).text()).toBe("file,external_id,name_2\na.jpg,7,张\r\n");
  });

  it("of a workbook, or of UTF-16, are the server's affair", async () => {
    expect(await readHeader(new Blob(["PK\u0003\u0004"]))).toBeNull();
    expect(await readHeader(new Blob([Uint8Array.of(0xff, 0xfe, 0x66, 0)]))).toBeNull();
  });
});

describe("web addresses", () => {
  it("are a line each, and what is none is told", () => {
    const text = "https://a.example/1.jpg\n\n ftp://b/2.jpg\r\njavascript:alert(1)\nhttp://c/3.jpg";
    expect(readAddresses(text)).toEqual({
      urls: ["https://a.example/1.jpg", "http://c/3.jpg"],
      bad: [3, 4],
    });
  });
});

describe("a job", () => {
  const progress = {
    files: 10,
    waiting: 2,
    working: 1,
    enrolled: 4,
    duplicate: 1,
    review: 1,
    rejected: 1,
    failed: 0,
    rate: null,
    seconds_left: null,
  } satisfies Job["progress"];

  it("offers what its state allows", () => {
    expect(stepsOf({ state: "planned", progress })).toEqual(["start", "cancel"]);
    expect(stepsOf({ state: "done", progress: { ...progress, failed: 2 } })).toEqual([
      "undo",
      "retry",
    ]);
    expect(stepsOf({ state: "undone", progress })).toEqual([]);
  });

  it("is asked for as often as it changes", () => {
    expect([pollingOf("running"), pollingOf("paused"), pollingOf("done")]).toEqual([
      1000,
      5000,
      false,
    ]);
  });

  it("is done by so much", () => {
    expect(doneShare(progress)).toBeCloseTo(0.7);
    expect(doneShare({ ...progress, files: 0 })).toBe(0);
  });

  it("goes on with the same file only", () => {
    const file = new File(["12345"], "a.zip");
    expect(isSameFile(file, { name: "a.zip", size: 5, modified: 0 }, 3)).toBe(true);
    expect(isSameFile(file, { name: "a.zip", size: 6, modified: 0 }, 3)).toBe(false);
    expect(isSameFile(file, null, 9)).toBe(false);
  });
});

describe("pages by cursor", () => {
  it("go on where the address of the next one says", () => {
    expect(nextCursor({ next: "http://h/api/v1/x?a=1&cursor=cD0x" })).toBe("cD0x");
    expect(nextCursor({ next: null })).toBeUndefined();
  });
});
