/** What of both pictures is seen: a scale and a shift in shares of the pane, so that they move alike. */

export interface View {
  scale: number;
  /** How far the picture's middle is from the pane's, in widths and heights of the pane. */
  x: number;
  y: number;
}

export const WHOLE: View = { scale: 1, x: 0, y: 0 };
const LARGEST = 12;

/** Zoom so that the point (px, py), from the pane's middle in shares of it, stays where it is. */
export function zoomed(view: View, factor: number, px = 0, py = 0): View {
  const scale = Math.min(LARGEST, Math.max(1, view.scale * factor));
  const ratio = scale / view.scale;
  return clamped({ scale, x: px - (px - view.x) * ratio, y: py - (py - view.y) * ratio });
}

/** Shift by shares of the pane. */
export function panned(view: View, dx: number, dy: number): View {
  return clamped({ ...view, x: view.x + dx, y: view.y + dy });
}

/** No further than to the picture's edge. */
function clamped({ scale, x, y }: View): View {
  const most = (scale - 1) / 2;
  const within = (value: number) => Math.min(most, Math.max(-most, value)) || 0;
  return { scale, x: within(x), y: within(y) };
}
