// The source inside report.html: the same requests, answered from the page's own data.
import { elementAt } from "../arrays";
import type { ExportedTable, Inlined, Query, Why } from "../contract";
import type { Source } from "../source";
import { evidenceRows, factorRows, freeName, propertyRows, type Row, tableFile } from "../tables";
import { compare } from "./compare";
import { InlinedRun } from "./run";
import { InlinedSearch } from "./search";

const NEIGHBOUR = 300; // characters of a neighbouring text

const rejectEdit = () =>
  Promise.reject(new Error("This page contains data only. To edit the factors, run `goalspace explore`."));

function explain(run: InlinedRun, row: number): Why {
  const i = run.indexOf(row);
  if (i === undefined) throw new Error("This page does not contain that text.");
  const { near, ...text } = run.text(i);
  const neighbours = near.flatMap(([other, r]) => {
    const at = run.indexOf(other);
    if (at === undefined) return [];
    const { id, text } = run.text(at);
    return [{ row: other, id, text: text.slice(0, NEIGHBOUR), r }];
  });
  return { ...text, near: neighbours };
}

/** A text with all its scores and columns; a column whose name is taken gets another, as on the server. */
function textRow(run: InlinedRun, i: number): Row {
  const { summary } = run;
  const { id, text, metadata } = run.text(i);
  const row: Row = { id, dominant: summary.factors[run.dominant(i)]?.name ?? null };
  for (const { name, index } of summary.factors) row[freeName(`score: ${name}`, row)] = run.score(index, i);
  for (const [shown, name] of run.data.metadata) {
    const column = summary.columns.findIndex((c) => c.kind === "number" && c.name === shown);
    const number = column < 0 ? Number.NaN : run.value(column, i);
    row[freeName(name, row)] = Number.isNaN(number) ? (metadata[shown] ?? null) : number;
  }
  return { id, [freeName("text", row)]: text, ...row };
}

function tableRows(run: InlinedRun, search: InlinedSearch, what: ExportedTable, query?: Query): Row[] {
  if (what !== "texts")
    return { factors: factorRows, properties: propertyRows, evidence: evidenceRows }[what](run.summary);
  const { rows } = search.search({ ...query, offset: 0, limit: 0 });
  return rows.flatMap((row) => {
    const i = run.indexOf(row);
    return i === undefined ? [] : [textRow(run, i)];
  });
}

export function inlinedSource(data: Inlined): Source {
  const run = new InlinedRun(data);
  const search = new InlinedSearch(run);
  return {
    served: false,
    summary: async () => run.summary,
    since: rejectEdit,
    map: async () => run.positions,
    scores: async (factor) => run.scoresOf(factor),
    column: async (position) => {
      const values = elementAt(run.columns, position);
      return values instanceof Float64Array ? Float32Array.from(values) : values;
    },
    layer: async () => data.layer,
    factor: async (factor) => elementAt(run.summary.factors, factor),
    texts: async (query) => search.search(query),
    why: async (row) => explain(run, row),
    compare: async (column, pair) => compare(run, column, pair),
    overTime: async (column) => {
      const measured = data.over_time.find((other) => other.column === column);
      if (!measured) throw new Error("This column has no dates.");
      return measured;
    },
    agreement: async (name) => {
      const agreement = data.agreements.find((other) => other.run.name === name);
      if (!agreement) throw new Error("This page does not contain that run.");
      return agreement;
    },
    edit: rejectEdit,
    undo: rejectEdit,
    redo: rejectEdit,
    table: async (what, format, query) => tableFile(tableRows(run, search, what, query), format),
    report: rejectEdit,
  };
}
