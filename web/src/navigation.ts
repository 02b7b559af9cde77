// Going to a view with something selected, and the queries that lead from a factor or a property to its texts.
import { batch } from "@preact/signals";
import type { Query } from "./contract";
import { lasso, query, selectedFactor, selectedRow, summary, view } from "./model";

export const openFactor = (factor: number) =>
  batch(() => {
    selectedFactor.value = factor;
    view.value = "factors";
  });
export const openTexts = (wanted: Query) =>
  batch(() => {
    lasso.value = null;
    query.value = wanted;
    selectedRow.value = null;
    view.value = "texts";
  });
export const openText = (row: number) =>
  batch(() => {
    selectedRow.value = row;
    view.value = "texts";
  });

export const factorQuery = (factor: number): Query => ({
  dominant: [factor],
  sort: { by: "factor", at: factor, down: true },
});

/** Searches by meaning where that is possible, so that texts which say a property in other words are found too. */
export function propertyQuery(name: string): Query {
  const run = summary.peek();
  // a wording is a verb and a noun, which need not be adjacent in the text
  const isWording = run?.kind === "instructions";
  const words = isWording ? name.replace("|", " ") : name;
  if (run?.able.meaning) return { search: words, by: "meaning" };
  return { search: isWording ? words : `"${words}"` };
}
