/** A list of web addresses as somebody pastes it. */

export interface Addresses {
  urls: string[];
  /** Lines, from 1, that are no address. */
  bad: number[];
}

const LONGEST = 2_000;

/** A line each; empty ones don't count. */
export function readAddresses(text: string): Addresses {
  const found: Addresses = { urls: [], bad: [] };
  text.split(/\r?\n|\r/).forEach((line, index) => {
    const address = line.trim();
    if (address === "") return;
    if (isAddress(address)) found.urls.push(address);
    else found.bad.push(index + 1);
  });
  return found;
}

function isAddress(address: string): boolean {
  if (address.length > LONGEST || !/^https?:\/\//i.test(address)) return false;
  return URL.canParse(address);
}
