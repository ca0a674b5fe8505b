/** Where a key leads from card `from` of a grid; undefined if the key means nothing there. */
export function moved(
  key: string,
  from: number,
  grid: { columns: number; length: number; perView: number },
): number | undefined {
  const { columns, length, perView } = grid;
  const steps: Record<string, number> = {
    ArrowLeft: -1,
    ArrowRight: 1,
    ArrowUp: -columns,
    ArrowDown: columns,
    PageUp: -columns * perView,
    PageDown: columns * perView,
    Home: -from,
    End: length - 1 - from,
  };
  const step = steps[key];
  if (step === undefined || length === 0) return undefined;
  const to = from + step;
  // Up from the first row and down from the last stay in their column.
  if (to < 0) return key === "ArrowUp" ? from : 0;
  if (to >= length) return key === "ArrowDown" ? from : length - 1;
  return to;
}
