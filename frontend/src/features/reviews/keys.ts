/** What each key does. */

export type Command =
  | { do: "decide"; verdict: "same" | "different" | "unsure" }
  | { do: "skip" | "undo" | "help" | "whole" | "note" | "assign" | "whole-picture" }
  | { do: "choose"; place: number }
  | { do: "photo"; by: 1 | -1 }
  | { do: "zoom"; factor: number }
  | { do: "pan"; x: number; y: number };

export const ZOOM = 1.3;
const PAN = 0.1;

const KEYS: Record<string, Command> = {
  s: { do: "decide", verdict: "same" },
  d: { do: "decide", verdict: "different" },
  u: { do: "decide", verdict: "unsure" },
  n: { do: "skip" },
  z: { do: "undo" },
  "?": { do: "help" },
  w: { do: "whole" },
  t: { do: "note" },
  a: { do: "assign" },
  "[": { do: "photo", by: -1 },
  "]": { do: "photo", by: 1 },
  "+": { do: "zoom", factor: ZOOM },
  "=": { do: "zoom", factor: ZOOM },
  "-": { do: "zoom", factor: 1 / ZOOM },
  "0": { do: "whole-picture" },
  arrowleft: { do: "pan", x: PAN, y: 0 },
  arrowright: { do: "pan", x: -PAN, y: 0 },
  arrowup: { do: "pan", x: 0, y: PAN },
  arrowdown: { do: "pan", x: 0, y: -PAN },
};

export interface Pressed {
  key: string;
  repeat: boolean;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
}

/**
 * What a key pressed means; null if nothing.
 *
 * A key that is held down moves pictures but decides nothing: nobody decides ten by a heavy hand.
 */
export function commandOf(pressed: Pressed): Command | null {
  if (pressed.ctrlKey || pressed.metaKey || pressed.altKey) return null;
  const key = pressed.key.toLowerCase();
  if (/^[1-9]$/.test(key)) return { do: "choose", place: Number(key) - 1 };
  const command = Object.hasOwn(KEYS, key) ? KEYS[key] : undefined;
  if (command === undefined) return null;
  const isMoving = command.do === "zoom" || command.do === "pan";
  return pressed.repeat && !isMoving ? null : command;
}

/** Where keys are for writing or choosing, or a dialog lies over the page. */
export function isElsewhere(target: EventTarget | null): boolean {
  if (document.querySelector('[role="dialog"]') !== null) return true;
  if (!(target instanceof HTMLElement)) return false;
  const typed = "input:not([type=radio]):not([type=checkbox]), textarea, select, [role=listbox]";
  return target.closest(typed) !== null || target.isContentEditable === true;
}
