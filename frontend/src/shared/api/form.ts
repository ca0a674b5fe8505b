/** Multipart bodies for the generated client, whose types call a file a string. */

/** A file as the schema's types want it; `asForm` sends it as the file that it is. */
export function fileField(file: Blob): string {
  return file as unknown as string;
}

/** A `bodySerializer`: each value a field of a form, of a list each element one. */
export function asForm(body: object | undefined): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(body ?? {})) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== undefined) form.append(name, each instanceof Blob ? each : String(each));
    }
  }
  return form;
}
