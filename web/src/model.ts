// The state of the page, as signals: the loaded run, the open view, and what is selected in it.
import { computed, signal } from "@preact/signals";
import type { Query, Summary } from "./contract";
import { type Nouns, nounsOf } from "./nouns";
import type { Positions, Source } from "./source";

export const VIEWS = ["map", "factors", "texts", "compare", "runs", "edits", "export", "about"] as const;
export type View = (typeof VIEWS)[number];
/** What the points of the map are coloured by; `at` is the index of a column or of a factor. */
export type Colour = { by: "dominant" } | { by: "column"; at: number } | { by: "score"; at: number };
export interface CompareSettings {
  column: number;
  a: number | null; // the groups to test against each other
  b: number | null;
  by: "shares" | "means";
}

// ---- the run ----

/** Answers the page's requests; set once, by `start`. */
export let source: Source;
export function setSource(from: Source) {
  source = from;
}

export const summary = signal<Summary | null>(null);
export const positions = signal<Positions | null>(null);
/** Incremented by every edit: data fetched before it is stale. */
export const revision = signal(0);

/** The summary, for code that runs only once it is loaded. */
export function getSummary(): Summary {
  if (!summary.value) throw new Error("The run is not loaded yet.");
  return summary.value;
}
export const nouns = computed<Nouns>(() => nounsOf(getSummary()));
export const countVisibleFactors = () => getSummary().factors.filter((f) => !f.hidden).length;

// ---- what is shown ----

export const view = signal<View>("map");
export const selectedFactor = signal<number | null>(null);
export const selectedRow = signal<number | null>(null);
export const selectedRun = signal<string | null>(null);
export const colour = signal<Colour>({ by: "dominant" });
export const showLayer = signal(false);
export const showLabels = signal(true);
export const factorOrder = signal<"ranked" | "tree">("ranked");
export const compareSettings = signal<CompareSettings>({ column: 0, a: null, b: null, by: "shares" });
export const query = signal<Query>({});
/** The outline drawn on the map, x0 y0 x1 y1 … in the unit square; the rows inside it are `query.rows`. */
export const lasso = signal<number[] | null>(null);

// ---- messages ----

/** Why the page could not be loaded. */
export const failure = signal<string | null>(null);
/** A line that is shown for a few seconds. */
export const notice = signal<string | null>(null);
export const errorMessage = (error: unknown) =>
  error instanceof Error && error.message ? error.message : "Something went wrong on this page.";
