// Numbers and nouns as a reader expects them.
import type { Summary } from "./contract";

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
export const count = (n: number) => whole.format(n);
export const percent = (share: number | null) => {
  if (share === null) return "–";
  const value = 100 * share;
  if (value > 0 && value < 0.95) return value < 0.1 ? "<0.1%" : `${value.toFixed(1)}%`;
  return `${Math.round(value)}%`;
};
export const signed = (value: number, digits = 2) => {
  const size = Math.abs(value).toFixed(digits);
  if (Number(size) === 0) return size;
  return `${value < 0 ? "−" : "+"}${size}`;
};
/** A name for a string of several: whichever way it is written, it turns round nothing else. */
export const isolated = (name: string) => `\u2068${name}\u2069`;
export const pValue = (p: number) => (p < 0.001 ? "< 0.001" : p.toFixed(3));
export const seconds = (s: number) =>
  s < 90 ? `${s < 10 ? s.toFixed(1) : Math.round(s)} s` : `${Math.round(s / 60)} min`;

export interface Nouns {
  factor: string;
  factors: string;
  Factors: string;
  text: string;
  texts: string;
  Texts: string;
  property: string;
  properties: string;
  Properties: string;
  strength: string;
  Strength: string;
  strengthMeans: string;
  digits: number; // of the strength
  shown: string; // what the pages show, by number
  dominant: string;
  belongs: string; // what makes a text one of a factor's
}
const TEXTS: Nouns = {
  factor: "factor",
  factors: "factors",
  Factors: "Factors",
  text: "text",
  texts: "texts",
  Texts: "Texts",
  property: "property",
  properties: "properties",
  Properties: "Properties",
  strength: "strength, nats",
  Strength: "TC",
  strengthMeans: "Total correlation: how much its properties tell about each other, in nats",
  digits: 1,
  shown: "factors",
  dominant: "Strongest factor",
  belongs: "in which it is the strongest",
};
const INSTRUCTIONS: Nouns = {
  factor: "task",
  factors: "tasks",
  Factors: "Tasks",
  text: "instruction",
  texts: "instructions",
  Texts: "Instructions",
  property: "wording",
  properties: "wordings",
  Properties: "Wordings",
  strength: "likeness",
  Strength: "Alike",
  strengthMeans: "How alike its instructions are: the mean cosine with their centre",
  digits: 2,
  shown: "tasks shown",
  dominant: "Task",
  belongs: "that ask for it",
};
export const nounsOf = (summary: Summary) => (summary.kind === "instructions" ? INSTRUCTIONS : TEXTS);
export const plural = (n: number, one: string, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;
