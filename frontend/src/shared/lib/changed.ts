/** What of `after` is another than in `before`, by content. */
export function changed<Fields extends object>(before: Fields, after: Fields): Partial<Fields> {
  const isOther = ([name, value]: [string, unknown]) =>
    JSON.stringify(value) !== JSON.stringify(before[name as keyof Fields]);
  return Object.fromEntries(Object.entries(after).filter(isOther)) as Partial<Fields>;
}
