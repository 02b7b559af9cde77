// What the page shows now, as signals, and its form in the address, so that a link restores the view.
import { batch, computed, effect, signal } from "@preact/signals";
import type { Changed, Hit, Layer, Query, Summary } from "./contract";
import { renumbered } from "./renumber";
import type { Positions, Source } from "./source";
import { type Nouns, nounsOf } from "./words";

export const VIEWS = ["map", "factors", "texts", "compare", "runs", "edits", "export", "about"] as const;
export type View = (typeof VIEWS)[number];
export type Colour = { by: "dominant" } | { by: "column"; at: number } | { by: "score"; at: number };

export const view = signal<View>("map");
export const factorAt = signal<number | null>(null);
export const rowAt = signal<number | null>(null);
export const colour = signal<Colour>({ by: "dominant" });
export const showLayer = signal(false);
export const showLabels = signal(true);
export const query = signal<Query>({});
/** The drawn outline, x0 y0 x1 y1 … in the map's unit square; its rows stand in query.rows. */
export const lasso = signal<number[] | null>(null);
export const compareAt = signal<{
  column: number;
  a: number | null;
  b: number | null;
  by: "shares" | "means";
}>({
  column: 0,
  a: null,
  b: null,
  by: "shares",
});
export const runAt = signal<string | null>(null);
export const factorOrder = signal<"ranked" | "tree">("ranked");

export const summary = signal<Summary | null>(null);
export const positions = signal<Positions | null>(null);
export const failure = signal<string | null>(null);
export const notice = signal<string | null>(null);
/** Counts edits: what was fetched before is stale. */
export const version = signal(0);

export let source: Source;
export const useSummary = (): Summary => summary.value as Summary;
export const countShown = () => useSummary().factors.filter((f) => !f.hidden).length;
export const nouns = computed<Nouns>(() => nounsOf(summary.value as Summary));

export const sentence = (error: unknown) =>
  error instanceof Error && error.message ? error.message : "Something went wrong in this page.";

// ---- fetched once and kept until an edit ----

const kept = new Map<string, Promise<unknown>>();
export function once<T>(key: string, ask: () => Promise<T>): Promise<T> {
  const found = kept.get(key) as Promise<T> | undefined;
  if (found) return found;
  const asked = ask().catch((error) => {
    kept.delete(key);
    throw error;
  });
  kept.set(key, asked);
  return asked;
}
export const scoresOf = (factor: number) => once(`scores ${factor}`, () => source.scores(factor));
export const columnOf = (at: number) => once(`column ${at}`, () => source.column(at));
export const layerOf = (): Promise<Layer> => once("layer", () => source.layer());
/** One text as a short hit, for tips. */
export const shortOf = (row: number): Promise<Hit | undefined> =>
  once(`hit ${row}`, async () => (await source.texts({ rows: [row], limit: 1 })).hits[0]);

// ---- the list of texts found ----

const PAGE = 60;
export interface Found {
  status: "loading" | "ready" | "failed";
  error: string;
  total: number;
  rows: number[];
  hits: Map<number, Hit>; // by position in the list
}
const NOTHING: Found = { status: "loading", error: "", total: 0, rows: [], hits: new Map() };
export const found = signal<Found>(NOTHING);
let asking: AbortController | null = null;
const pagesAsked = new Set<number>();

export async function look() {
  asking?.abort();
  const controller = new AbortController();
  asking = controller;
  pagesAsked.clear();
  pagesAsked.add(0);
  found.value = { ...found.peek(), status: "loading", error: "" };
  try {
    const first = await source.texts({ ...query.peek(), offset: 0, limit: PAGE }, controller.signal);
    if (controller.signal.aborted) return;
    const hits = new Map(first.hits.map((hit, at) => [at, hit]));
    found.value = { status: "ready", error: "", total: first.total, rows: first.rows, hits };
  } catch (error) {
    if (controller.signal.aborted) return;
    found.value = { ...NOTHING, status: "failed", error: sentence(error) };
  }
}

export async function lookFurther(from: number, to: number) {
  const controller = asking;
  if (!controller || found.peek().status !== "ready") return;
  for (let page = Math.floor(from / PAGE); page <= Math.floor(to / PAGE); page++) {
    if (pagesAsked.has(page) || page * PAGE >= found.peek().total) continue;
    pagesAsked.add(page);
    const asked = { ...query.peek(), offset: page * PAGE, limit: PAGE };
    source.texts(asked, controller.signal).then(
      (more) => {
        if (controller.signal.aborted) return;
        const hits = new Map(found.peek().hits);
        more.hits.forEach((hit, at) => {
          hits.set(page * PAGE + at, hit);
        });
        found.value = { ...found.peek(), hits };
      },
      () => pagesAsked.delete(page),
    );
  }
}

export const isFiltered = computed(() => {
  const { search, rows, factors, dominant, columns } = query.value;
  return Boolean(search?.trim() || rows || factors?.length || dominant?.length || columns?.length);
});
export const change = (part: Partial<Query>) => {
  query.value = { ...query.peek(), ...part };
};
export const clearFilters = () =>
  batch(() => {
    lasso.value = null;
    query.value = {};
  });
export function toggleDominant(factor: number) {
  const now = query.peek().dominant ?? [];
  const next = now.includes(factor) ? now.filter((k) => k !== factor) : [...now, factor];
  change({ dominant: next.length ? next : undefined });
}
export function toggleValue(column: number, code: number) {
  const all = query.peek().columns ?? [];
  const now = all.find((c) => c.column === column)?.values ?? [];
  const next = now.includes(code) ? now.filter((c) => c !== code) : [...now, code];
  const others = all.filter((c) => c.column !== column);
  const columns = next.length ? [...others, { column, values: next }] : others;
  change({ columns: columns.length ? columns : undefined });
}

export function inOutline(outline: number[], x: number, y: number): boolean {
  let inside = false;
  for (let i = 0, j = outline.length - 2; i < outline.length; j = i, i += 2) {
    const [xi, yi, xj, yj] = [outline[i], outline[i + 1], outline[j], outline[j + 1]];
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) inside = !inside;
  }
  return inside;
}
export function select(outline: number[] | null) {
  const at = positions.peek();
  batch(() => {
    lasso.value = outline;
    if (!outline || !at) return change({ rows: undefined });
    const rows: number[] = [];
    for (let i = 0; i < at.x.length; i++) if (inOutline(outline, at.x[i], at.y[i])) rows.push(at.row[i]);
    change({ rows });
  });
}

// ---- going somewhere ----

export const openFactor = (factor: number) =>
  batch(() => {
    factorAt.value = factor;
    view.value = "factors";
  });
export const openTexts = (part: Query) =>
  batch(() => {
    lasso.value = null;
    query.value = part;
    rowAt.value = null;
    view.value = "texts";
  });
export const openText = (row: number) =>
  batch(() => {
    rowAt.value = row;
    view.value = "texts";
  });
export const textsOfFactor = (factor: number): Query => ({
  dominant: [factor],
  sort: { by: "factor", at: factor, down: true },
});

/** The texts of a property: what says it in other words counts too, where that can be searched. */
export const textsOfProperty = (name: string): Query => {
  // a wording is a verb and a noun, which need not stand side by side
  const task = summary.peek()?.kind === "instructions";
  const words = task ? name.replace("|", " ") : name;
  if (summary.peek()?.able.meaning) return { search: words, by: "meaning" };
  return { search: task ? words : `"${words}"` };
};

// ---- after an edit ----

/** What is shown, under the numbers that factors have now. */
function renumber(moved: number[][]) {
  const shown = { factor: factorAt.peek(), colour: colour.peek(), query: query.peek() };
  const now = renumbered(shown, moved);
  factorAt.value = now.factor;
  colour.value = now.colour;
  query.value = now.query;
}

/** Shows another state of the factors, of which `moved` says what became of those shown. */
export async function show(next: Changed, said: string) {
  kept.clear();
  const places = await source.map();
  batch(() => {
    summary.value = next;
    positions.value = places;
    version.value += 1;
    notice.value = said;
    renumber(next.moved);
  });
}

// ---- the address ----

const isNumber = (v: unknown): v is number => typeof v === "number" && Number.isFinite(v);
const isIndex = (v: unknown, below: number): v is number =>
  Number.isInteger(v) && (v as number) >= 0 && (v as number) < below;
/** Codes of a list: -1 or an index. */
const codes = (v: unknown, below: number) =>
  Array.isArray(v) ? v.filter((c): c is number => c === -1 || isIndex(c, below)) : undefined;
const orNull = (v: unknown) => (isNumber(v) ? v : null);
const objects = (v: unknown) =>
  Array.isArray(v) ? v.filter((o): o is Record<string, unknown> => typeof o === "object" && o !== null) : [];

/** A query out of an address: whatever is not of the right shape, or does not exist, is left out. */
export function readQuery(value: unknown, all: Summary): Query {
  if (typeof value !== "object" || value === null) return {};
  const from = value as Record<string, unknown>;
  const result: Query = {};
  if (typeof from.search === "string") result.search = from.search;
  if (from.by === "words" || (from.by === "meaning" && all.able.meaning)) result.by = from.by;
  const dominant = codes(from.dominant, all.factors.length);
  if (dominant?.length) result.dominant = dominant;
  const factors = objects(from.factors)
    .filter((f) => isIndex(f.factor, all.factors.length))
    .map((f) => ({ factor: f.factor as number, low: orNull(f.low), high: orNull(f.high) }));
  if (factors.length) result.factors = factors;
  const columns = objects(from.columns)
    .filter((c) => isIndex(c.column, all.columns.length))
    .map((c) => {
      const column = c.column as number;
      const { kind, values: labels } = all.columns[column];
      return kind === "number"
        ? { column, low: orNull(c.low), high: orNull(c.high) }
        : { column, values: codes(c.values, labels.length) ?? [] };
    })
    .filter((c) => !c.values || c.values.length);
  if (columns.length) result.columns = columns;
  const [sort] = objects([from.sort]);
  const kinds = ["id", "length", "factor", "column"] as const;
  const by = kinds.find((kind) => kind === sort?.by);
  const down = sort?.down === true;
  const among = by === "factor" ? all.factors : by === "column" ? all.columns : null;
  if (by && !among) result.sort = { by, down };
  else if (by && among && isIndex(sort.at, among.length)) result.sort = { by, down, at: sort.at };
  return result;
}

export const address = computed(() => {
  const parts = new URLSearchParams();
  parts.set("view", view.value);
  if (factorAt.value !== null) parts.set("factor", String(factorAt.value));
  if (rowAt.value !== null) parts.set("text", String(rowAt.value));
  const shade = colour.value;
  if (shade.by !== "dominant") parts.set("colour", `${shade.by}:${shade.at}`);
  if (showLayer.value) parts.set("properties", "1");
  if (!showLabels.value) parts.set("labels", "0");
  if (factorOrder.value === "tree") parts.set("order", "tree");
  const { rows: _, ...asked } = query.value;
  const filters = JSON.stringify(asked); // without what is undefined
  if (filters !== "{}") parts.set("query", filters);
  if (lasso.value) parts.set("lasso", lasso.value.map((v) => Math.round(v * 1000)).join("."));
  if (view.value === "compare") {
    const { column, a, b, by } = compareAt.value;
    parts.set("compare", [column, a ?? "", b ?? "", by].join(":"));
  }
  if (runAt.value) parts.set("run", runAt.value);
  return parts.toString();
});

export function restore(hash: string) {
  const all = summary.peek();
  if (!all) return;
  const parts = new URLSearchParams(hash.replace(/^#/, ""));
  const index = (text: string | null | undefined, below: number) => {
    const value = Number(text);
    return text && Number.isInteger(value) && value >= 0 && value < below ? value : null;
  };
  batch(() => {
    view.value = VIEWS.find((v) => v === parts.get("view")) ?? "map";
    factorAt.value = index(parts.get("factor"), all.factors.length);
    const row = index(parts.get("text"), 1e9);
    rowAt.value = row !== null && positions.peek()?.row.includes(row) ? row : null;
    const [by, at] = (parts.get("colour") ?? "").split(":");
    const place = index(at, by === "column" ? all.columns.length : all.factors.length);
    colour.value =
      (by === "column" || by === "score") && place !== null ? { by, at: place } : { by: "dominant" };
    showLayer.value = parts.get("properties") === "1";
    showLabels.value = parts.get("labels") !== "0";
    factorOrder.value = parts.get("order") === "tree" ? "tree" : "ranked";
    let asked: unknown = null;
    try {
      asked = JSON.parse(parts.get("query") ?? "{}");
    } catch {
      notice.value = "The link's filters could not be read and were left out.";
    }
    query.value = readQuery(asked, all);
    const outline = (parts.get("lasso") ?? "").split(".").map(Number);
    if (outline.length >= 6 && outline.every(Number.isFinite)) select(outline.map((v) => v / 1000));
    else lasso.value = null;
    const [column, a, b, how] = (parts.get("compare") ?? "").split(":");
    compareAt.value = {
      column: index(column, all.columns.length) ?? 0,
      a: index(a, 1e6),
      b: index(b, 1e6),
      by: how === "means" ? "means" : "shares",
    };
    runAt.value = all.runs.find((run) => run.name === parts.get("run"))?.name ?? null;
  });
}

/** Kept with an address in the history: which factors its numbers are of. */
interface Visited {
  lines: number;
}

let arriving = false;
/** Shows what the address says; if it is from before an edit, under the numbers of now. */
async function revisit(visited: Visited | null) {
  const { hash } = location;
  const { able, edits } = useSummary();
  let moved: number[][] | null = null;
  if (able.edit && visited && visited.lines !== edits.lines) {
    ({ moved } = await source.since(visited.lines).catch(() => ({ moved: [] }))); // an earlier server's
    if (location.hash !== hash) return; // the reader went on
  }
  arriving = true;
  batch(() => {
    restore(hash);
    if (moved) renumber(moved);
  });
  arriving = false;
}

export async function start(from: Source) {
  source = from;
  try {
    const [head, places] = await Promise.all([source.summary(), source.map()]);
    positions.value = places;
    summary.value = head;
  } catch (error) {
    failure.value = sentence(error);
    return;
  }
  await revisit(history.state);
  const stamp = (): Visited => ({ lines: useSummary().edits.lines });
  history.replaceState(stamp(), "");
  addEventListener("popstate", (event) => {
    if (location.hash.slice(1) !== address.peek()) revisit(event.state);
  });
  const opened = () => ({
    view: view.peek(),
    card: factorAt.peek() !== null,
    text: rowAt.peek() !== null,
  });
  let before = opened();
  effect(() => {
    const hash = `#${address.value}`;
    const now = opened();
    // a new view, and a card or a text that opens, are steps that back can undo; a moved slider is not
    const step = now.view !== before.view || (now.card && !before.card) || (now.text && !before.text);
    before = now;
    if (hash === location.hash) return;
    if (step && !arriving) history.pushState(stamp(), "", hash);
    else history.replaceState(stamp(), "", hash);
  });
  effect(() => {
    query.value;
    version.value;
    look();
  });
}
