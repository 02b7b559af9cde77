// Colours: 20 hues for factors and categories, a sequential and a diverging scale, each for light and dark.
import { computed, effect, signal } from "@preact/signals";
import { elementAt } from "./arrays";

export type Theme = "auto" | "light" | "dark";

// The hues of the report: distinct under common kinds of colour blindness, with a contrast of 3:1 to the paper.
const LIGHT =
  "386cb9 b6800d 970c02 05a28e 0d5c5a 3b38b4 a5540a 3c7c5f 0695da b02f8b 54a055 5c3a8d 940441 9b3a2d 0d6a77 94783e 085faa 458b7e 1184c1 a71065";
const DARK =
  "7ba5e3 f8b333 d35b4b 16dfc5 0a9a96 6e7ae2 ec8535 5db98e 80cbff e379be 96d495 9076be d05778 cf7a6c 04a7bb d3ac5d 4398f0 67c6b5 5abdfc db679b";
// From low to high; the middle of the diverging scale is the colour of “nothing to see here”.
const SCALES = {
  light: {
    sequential: ["bccfe2", "6f9fc8", "2b6c9e", "123b63"],
    diverging: ["2b6cb0", "9dbfe0", "d9d6cf", "f0b483", "c05a12"],
    none: "a5a299",
  },
  dark: {
    sequential: ["3a4756", "37658c", "5f9fd0", "cfe6fb"],
    diverging: ["5b9fe3", "3f6690", "3d4148", "8f5b35", "f0914a"],
    none: "6a7079",
  },
};

export type Rgb = [number, number, number];
const parseHex = (hex: string): Rgb => {
  const channel = (at: number) => Number.parseInt(hex.slice(at, at + 2), 16);
  return [channel(0), channel(2), channel(4)];
};
export const cssColour = ([r, g, b]: Rgb) => `rgb(${Math.round(r)} ${Math.round(g)} ${Math.round(b)})`;

const storedTheme = () => {
  try {
    const theme = localStorage.getItem("goalspace-theme");
    return theme === "light" || theme === "dark" ? theme : "auto";
  } catch {
    return "auto"; // some browsers deny storage to pages from file://
  }
};
export const theme = signal<Theme>(storedTheme());
const system = matchMedia("(prefers-color-scheme: dark)");
const systemDark = signal(system.matches);
system.addEventListener("change", () => {
  systemDark.value = system.matches;
});
export const isDark = computed(() => theme.value === "dark" || (theme.value === "auto" && systemDark.value));

const hues = computed(() => (isDark.value ? DARK : LIGHT).split(" ").map(parseHex));
const scales = computed(() => {
  const { sequential, diverging, none } = SCALES[isDark.value ? "dark" : "light"];
  return { sequential: sequential.map(parseHex), diverging: diverging.map(parseHex), none: parseHex(none) };
});

effect(() => {
  const root = document.documentElement;
  root.dataset.theme = isDark.value ? "dark" : "light";
  hues.value.forEach((hue, at) => {
    root.style.setProperty(`--c${at}`, cssColour(hue));
  });
  root.style.setProperty("--none", cssColour(scales.value.none));
  try {
    localStorage.setItem("goalspace-theme", theme.value);
  } catch {
    // the choice then lasts as long as the page
  }
});

/** The colour of a factor or category; of none, for -1. */
export const paletteColour = (index: number): Rgb =>
  index < 0 ? scales.value.none : elementAt(hues.value, index % 20);
/** The same colour as a variable of the style sheet. */
export const paletteVariable = (index: number) => (index < 0 ? "var(--none)" : `var(--c${index % 20})`);

function interpolate(stops: Rgb[], at: number): Rgb {
  const position = Math.min(Math.max(at, 0), 1) * (stops.length - 1);
  const low = Math.min(Math.floor(position), stops.length - 2);
  const part = position - low;
  const [from, to] = [elementAt(stops, low), elementAt(stops, low + 1)];
  const mix = (channel: 0 | 1 | 2) => from[channel] + part * (to[channel] - from[channel]);
  return [mix(0), mix(1), mix(2)];
}
/** at: 0 … 1 */
export const sequential = (at: number) =>
  Number.isNaN(at) ? scales.value.none : interpolate(scales.value.sequential, at);
/** at: -1 … 1 */
export const diverging = (at: number) =>
  Number.isNaN(at) ? scales.value.none : interpolate(scales.value.diverging, (at + 1) / 2);
/** Black or white, whichever is easier to read on the colour. */
export const contrastingInk = ([r, g, b]: Rgb) => {
  const linear = (v: number) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
  const luminance = 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  return luminance > 0.179 ? "#000" : "#fff";
};
