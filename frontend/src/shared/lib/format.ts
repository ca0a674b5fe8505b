/** Figures and times as people read them, in the chosen language. */
import i18next from "i18next";

const locale = () => (i18next.language === "zh" ? "zh-CN" : "en-GB");

// What is rarer is told as that.
const LEAST_RATE = 1e-6;

/** 1234567 as "1,234,567". */
export function count(value: number): string {
  return new Intl.NumberFormat(locale()).format(value);
}

/** 0.0123 as "1.23 %". */
export function percent(share: number, digits = 2): string {
  return new Intl.NumberFormat(locale(), {
    style: "percent",
    maximumFractionDigits: digits,
  }).format(share);
}

/** A rate to two figures, "0.3 %" or "12 %": also one that is near 0, where digits would hide it. */
export function rate(share: number): string {
  const format = new Intl.NumberFormat(locale(), {
    style: "percent",
    maximumSignificantDigits: 2,
  });
  return share > 0 && share < LEAST_RATE ? `< ${format.format(LEAST_RATE)}` : format.format(share);
}

/** A score, always with four decimals: rounding may not make two scores look equal to a threshold. */
export function score(value: number): string {
  return value.toFixed(4);
}

/** A rate such as 0.000238 as the N of "1 in N": 4,200, to two digits. */
export function oneIn(rate: number): string {
  return new Intl.NumberFormat(locale(), {
    maximumSignificantDigits: 2,
    notation: rate < 1e-6 ? "compact" : "standard",
    compactDisplay: "long",
  }).format(1 / rate);
}

/** Bytes as "3.4 MB". */
export function bytes(size: number): string {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"] as const;
  const power = Math.min(Math.floor(Math.log10(Math.max(size, 1)) / 3), units.length - 1);
  return new Intl.NumberFormat(locale(), {
    style: "unit",
    unit: units[power] ?? "byte",
    unitDisplay: "short",
    maximumFractionDigits: power > 1 ? 1 : 0,
  }).format(size / 1000 ** power);
}

/** Seconds as "1 h 20 min", "3 min 10 s" or "8 s". */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)];
  const parts: [number, string][] =
    hours > 0
      ? [
          [hours, "hour"],
          [minutes, "minute"],
        ]
      : minutes > 0
        ? [
            [minutes, "minute"],
            [whole % 60, "second"],
          ]
        : [[whole, "second"]];
  return parts
    .filter(([value], index) => index === 0 || value > 0)
    .map(([value, unit]) =>
      new Intl.NumberFormat(locale(), { style: "unit", unit, unitDisplay: "short" }).format(value),
    )
    .join(" ");
}

/** "26 Nov 2026, 14:03". */
export function dateTime(at: string): string {
  return new Intl.DateTimeFormat(locale(), { dateStyle: "medium", timeStyle: "short" }).format(
    new Date(at),
  );
}

/** "26 Nov", of a date such as "2026-11-26". */
export function dayOfMonth(day: string): string {
  return new Intl.DateTimeFormat(locale(), {
    day: "numeric",
    month: "short",
    timeZone: "UTC",
  }).format(new Date(day));
}

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
];

/** "3 minutes ago". */
export function ago(at: string, now: number = Date.now()): string {
  const seconds = (new Date(at).getTime() - now) / 1000;
  const [unit, size] = STEPS.find(([, step]) => Math.abs(seconds) >= step) ?? ["second", 1];
  return new Intl.RelativeTimeFormat(locale(), { numeric: "auto" }).format(
    Math.round(seconds / size),
    unit,
  );
}
