import {
  Badge,
  type CSSVariablesResolver,
  createTheme,
  type MantineColorsTuple,
} from "@mantine/core";

const petrol: MantineColorsTuple = [
  "#e9f6fa",
  "#d5eaf0",
  "#a9d5e2",
  "#7abfd3",
  "#54adc7",
  "#3da2c0",
  "#2b9cbd",
  "#1c7f9c",
  "#176a83",
  "#0f5669",
];

/** Calm colours; every text on them passes WCAG AA in both schemes. */
export const theme = createTheme({
  primaryColor: "petrol",
  primaryShade: 8,
  colors: { petrol },
  autoContrast: true,
  respectReducedMotion: true,
  luminanceThreshold: 0.35,
  defaultRadius: "sm",
  cursorType: "pointer",
  fontFamily:
    'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", sans-serif',
  components: {
    Badge: Badge.extend({ styles: { label: { textTransform: "none" } } }),
    // A dialog's <header> would be a second banner of the page. By name: dialogs are loaded later.
    ModalHeader: { defaultProps: { component: "div" } },
    DrawerHeader: { defaultProps: { component: "div" } },
  },
});

const TINTED = ["red", "orange", "yellow", "green", "teal", "blue", "gray", "grape", "petrol"];

/** Texts that Mantine leaves too pale to read: the dimmed ones, and those on a tint of their colour. */
export const readable: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    "--mantine-color-dimmed": "var(--mantine-color-gray-7)",
    "--mantine-color-error": "var(--mantine-color-red-9)",
    ...Object.fromEntries(
      TINTED.map((color) => [
        `--mantine-color-${color}-light-color`,
        `color-mix(in srgb, var(--mantine-color-${color}-9) 65%, black)`,
      ]),
    ),
  },
  dark: {
    "--mantine-color-dimmed": "var(--mantine-color-dark-1)",
    "--mantine-color-error": "var(--mantine-color-red-4)",
  },
});
