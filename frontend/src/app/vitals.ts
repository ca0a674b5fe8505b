import { type Metric, onCLS, onFCP, onINP, onLCP, onTTFB } from "web-vitals";

declare global {
  interface Window {
    /** The page's web-vitals so far, for whoever measures; they are sent nowhere. */
    likenessVitals?: Record<string, number>;
  }
}

/** Keep the web-vitals of this page where a test, or somebody at the console, can read them. */
export function recordVitals(): void {
  const vitals: Record<string, number> = {};
  window.likenessVitals = vitals;
  const keep = ({ name, value }: Metric) => {
    vitals[name] = value;
  };
  for (const watch of [onCLS, onFCP, onINP, onLCP, onTTFB]) watch(keep, { reportAllChanges: true });
}
