// What factors, texts and properties are called, which depends on the kind of run.
import type { Summary } from "./contract";

export interface Nouns {
  factor: string;
  factors: string;
  Factor: string;
  Factors: string;
  text: string;
  texts: string;
  Text: string;
  Texts: string;
  property: string;
  properties: string;
  Properties: string;
  strength: string;
  Strength: string;
  strengthMeans: string;
  digits: number; // of the strength
  shown: string; // what is counted in the header
  dominant: string;
  belongs: string; // which texts of a group count as those of a factor
}
const TEXTS: Nouns = {
  factor: "factor",
  factors: "factors",
  Factor: "Factor",
  Factors: "Factors",
  text: "text",
  texts: "texts",
  Text: "Text",
  Texts: "Texts",
  property: "property",
  properties: "properties",
  Properties: "Properties",
  strength: "strength, nats",
  Strength: "TC",
  strengthMeans: "Total correlation of its properties, in nats: how much information they share",
  digits: 1,
  shown: "factors",
  dominant: "Strongest factor",
  belongs: "in which it is the strongest",
};
const INSTRUCTIONS: Nouns = {
  factor: "task",
  factors: "tasks",
  Factor: "Task",
  Factors: "Tasks",
  text: "instruction",
  texts: "instructions",
  Text: "Instruction",
  Texts: "Instructions",
  property: "wording",
  properties: "wordings",
  Properties: "Wordings",
  strength: "mean cosine",
  Strength: "Cosine",
  strengthMeans: "Similarity of its instructions: their mean cosine with their centroid",
  digits: 2,
  shown: "tasks shown",
  dominant: "Task",
  belongs: "that ask for it",
};
export const nounsOf = (summary: Summary) => (summary.kind === "instructions" ? INSTRUCTIONS : TEXTS);
