// What is shown, as the fragment of the page's address, so that a link restores the view.
import { batch, computed } from "@preact/signals";
import { elementAt } from "./arrays";
import type { ColumnFilter, Query, Summary } from "./contract";
import { setLasso } from "./filters";
import {
  type Colour,
  type CompareSettings,
  colour,
  compareSettings,
  factorOrder,
  lasso,
  notice,
  positions,
  query,
  selectedFactor,
  selectedRow,
  selectedRun,
  showLabels,
  showLayer,
  summary,
  VIEWS,
  view,
} from "./model";

// ---- the query ----

const isNumber = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);
const isIndex = (value: unknown, length: number): value is number =>
  isNumber(value) && Number.isInteger(value) && value >= 0 && value < length;
/** The codes in a list, each -1 or an index; undefined if it is no list. */
const validCodes = (value: unknown, length: number) =>
  Array.isArray(value) ? value.filter((c): c is number => c === -1 || isIndex(c, length)) : undefined;
const numberOrNull = (value: unknown) => (isNumber(value) ? value : null);
const asObjects = (value: unknown) =>
  Array.isArray(value)
    ? value.filter((o): o is Record<string, unknown> => typeof o === "object" && o !== null)
    : [];

function parseFactors(value: unknown, { factors }: Summary): Query["factors"] {
  const filters = asObjects(value).flatMap(({ factor, low, high }) =>
    isIndex(factor, factors.length) ? [{ factor, low: numberOrNull(low), high: numberOrNull(high) }] : [],
  );
  return filters.length ? filters : undefined;
}

function parseColumns(value: unknown, { columns }: Summary): Query["columns"] {
  const filters = asObjects(value).flatMap(({ column, values, low, high }): ColumnFilter[] => {
    if (!isIndex(column, columns.length)) return [];
    const { kind, values: labels } = elementAt(columns, column);
    if (kind === "number") return [{ column, low: numberOrNull(low), high: numberOrNull(high) }];
    const codes = validCodes(values, labels.length);
    return codes?.length ? [{ column, values: codes }] : [];
  });
  return filters.length ? filters : undefined;
}

function parseSort(value: unknown, { factors, columns }: Summary): Query["sort"] {
  const [sort] = asObjects([value]);
  if (!sort) return undefined;
  const down = sort.down === true;
  switch (sort.by) {
    case "id":
    case "length":
      return { by: sort.by, down };
    case "factor":
      return isIndex(sort.at, factors.length) ? { by: "factor", down, at: sort.at } : undefined;
    case "column":
      return isIndex(sort.at, columns.length) ? { by: "column", down, at: sort.at } : undefined;
    default:
      return undefined;
  }
}

/** The query in an address, without the parts that are malformed or refer to what this run does not have. */
export function parseQuery(value: unknown, run: Summary): Query {
  const [given] = asObjects([value]);
  if (!given) return {};
  const parsed: Query = {};
  if (typeof given.search === "string") parsed.search = given.search;
  if (given.by === "words" || (given.by === "meaning" && run.able.meaning)) parsed.by = given.by;
  const dominant = validCodes(given.dominant, run.factors.length);
  if (dominant?.length) parsed.dominant = dominant;
  const factors = parseFactors(given.factors, run);
  if (factors) parsed.factors = factors;
  const columns = parseColumns(given.columns, run);
  if (columns) parsed.columns = columns;
  const sort = parseSort(given.sort, run);
  if (sort) parsed.sort = sort;
  return parsed;
}

// ---- the whole address ----

export const address = computed(() => {
  const fields = new URLSearchParams();
  fields.set("view", view.value);
  if (selectedFactor.value !== null) fields.set("factor", String(selectedFactor.value));
  if (selectedRow.value !== null) fields.set("text", String(selectedRow.value));
  const shade = colour.value;
  if (shade.by !== "dominant") fields.set("colour", `${shade.by}:${shade.at}`);
  if (showLayer.value) fields.set("properties", "1");
  if (!showLabels.value) fields.set("labels", "0");
  if (factorOrder.value === "tree") fields.set("order", "tree");
  const { rows: _, ...filters } = query.value; // the outline gives the rows
  const json = JSON.stringify(filters); // drops undefined fields
  if (json !== "{}") fields.set("query", json);
  if (lasso.value) fields.set("lasso", lasso.value.map((v) => Math.round(v * 1000)).join("."));
  if (view.value === "compare") {
    const { column, a, b, by } = compareSettings.value;
    fields.set("compare", [column, a ?? "", b ?? "", by].join(":"));
  }
  if (selectedRun.value) fields.set("run", selectedRun.value);
  return fields.toString();
});

/** The index that a field holds; null if it is missing, malformed or out of range. */
function parseIndex(text: string | null | undefined, length: number): number | null {
  return text && /^\d+$/.test(text) && Number(text) < length ? Number(text) : null;
}

function parseColour(field: string | null, { factors, columns }: Summary): Colour {
  const [by, index] = (field ?? "").split(":");
  const at = parseIndex(index, by === "column" ? columns.length : factors.length);
  return (by === "column" || by === "score") && at !== null ? { by, at } : { by: "dominant" };
}

/** Groups may be beyond those of the column: only the comparison itself says how many there are. */
function parseCompare(field: string | null, { columns }: Summary): CompareSettings {
  const [column, a, b, by] = (field ?? "").split(":");
  return {
    column: parseIndex(column, columns.length) ?? 0,
    a: parseIndex(a, 1e6),
    b: parseIndex(b, 1e6),
    by: by === "means" ? "means" : "shares",
  };
}

function parseFilters(field: string | null, run: Summary): Query {
  try {
    return parseQuery(JSON.parse(field ?? "{}"), run);
  } catch {
    notice.value = "The filters in this link could not be read and were ignored.";
    return {};
  }
}

/** Shows what an address says; whatever it says that this run does not have is left at its default. */
export function restoreAddress(hash: string) {
  const run = summary.peek();
  if (!run) return;
  const fields = new URLSearchParams(hash.replace(/^#/, ""));
  batch(() => {
    view.value = VIEWS.find((name) => name === fields.get("view")) ?? "map";
    selectedFactor.value = parseIndex(fields.get("factor"), run.factors.length);
    const row = parseIndex(fields.get("text"), 1e9);
    selectedRow.value = row !== null && positions.peek()?.row.includes(row) ? row : null;
    colour.value = parseColour(fields.get("colour"), run);
    showLayer.value = fields.get("properties") === "1";
    showLabels.value = fields.get("labels") !== "0";
    factorOrder.value = fields.get("order") === "tree" ? "tree" : "ranked";
    query.value = parseFilters(fields.get("query"), run);
    const outline = (fields.get("lasso") ?? "").split(".").map(Number);
    if (outline.length >= 6 && outline.every(Number.isFinite)) setLasso(outline.map((v) => v / 1000));
    else lasso.value = null;
    compareSettings.value = parseCompare(fields.get("compare"), run);
    selectedRun.value = run.runs.find(({ name }) => name === fields.get("run"))?.name ?? null;
  });
}
