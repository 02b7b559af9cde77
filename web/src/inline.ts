// The source inside report.html: the same questions, answered from the page's own data.
import type { Comparison, Hit, Hits, Inlined, Query, Why } from "./contract";
import { isolated, plural } from "./format";
import { type ExportedTable, readPositions, type Source } from "./source";
import { adjustPValues, compareGroups, MIN_GROUP_SIZE } from "./statistics";
import { evidenceRows, factorRows, freeName, propertyRows, type Row, tableFile } from "./tables";

const decodeBase64 = (base64: string) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)).buffer;

/** Whether a mark belongs to the letter before it: only such marks are put into an order among each other. */
const combines = (mark: string) => `\u0345${mark}`.normalize("NFD") !== `\u0345${mark}`;
/** The text without case and accents, as the server folds it (_explorer_words.py). */
const foldText = (text: string) =>
  text
    .toLowerCase()
    .replaceAll("ß", "ss")
    .replaceAll("ς", "σ")
    .normalize("NFKD")
    .replaceAll("\u0345", "ι")
    .replace(/\p{M}/gu, (mark) => (combines(mark) ? "" : mark));
const collapseSpaces = (text: string) => text.trim().replace(/\s+/g, " ");

/** The words and "quoted phrases" of a search, accents and case aside. */
export function searchTerms(search: string): string[] {
  const found = [...search.matchAll(/"([^"]*)"?|(\S+)/g)].map((m) =>
    collapseSpaces(foldText(m[1] || m[2] || "")),
  );
  return [...new Set(found.filter(Boolean))].slice(0, 20);
}

/** The text without accents and case, and for each of its units the unit of the text it stands for. */
function foldWithOrigins(text: string) {
  let flat = "";
  const from: number[] = [];
  let at = 0;
  for (const character of text) {
    const simple = foldText(character);
    for (let i = 0; i < simple.length; i++) from.push(at);
    flat += simple;
    at += character.length;
  }
  from.push(at);
  return { flat, from };
}

function excerpt(text: string, words: string[]) {
  const { flat, from } = foldWithOrigins(text);
  const spans: [number, number][] = [];
  for (const word of words) {
    const pattern = word.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&").replaceAll(" ", "\\s+");
    for (const match of flat.matchAll(new RegExp(pattern, "g"))) {
      if (spans.length >= 200) break;
      spans.push([from[match.index], from[match.index + match[0].length]]);
    }
  }
  spans.sort((a, b) => a[0] - b[0]);
  const start = text.length > 300 && spans.length ? Math.max(0, spans[0][0] - 80) : 0;
  const [ahead, end] = [start > 0 ? "…" : "", Math.min(text.length, start + 300)];
  const cut = ahead + text.slice(start, end) + (end < text.length ? "…" : "");
  const moved = ahead.length - start;
  const marks: [number, number][] = [];
  for (const [a, b] of spans) {
    const last = marks.at(-1);
    if (b > end) break;
    if (last && a + moved <= last[1]) last[1] = Math.max(last[1], b + moved);
    else marks.push([a + moved, b + moved]);
  }
  return { text: cut, marks };
}

const rejectEdit = () =>
  Promise.reject(new Error("This page holds the data only: edits need `goalspace explore`."));

export function inlinedSource(data: Inlined): Source {
  const { summary, texts } = data;
  const n = texts.length;
  const map = readPositions(decodeBase64(data.map), n);
  const scores = new Int16Array(decodeBase64(data.scores));
  const at = new Map(Array.from(map.row, (row, i) => [row, i]));
  const columns = data.columns.map((column, c) =>
    summary.columns[c].kind === "number"
      ? new Float64Array(decodeBase64(column))
      : new Int16Array(decodeBase64(column)),
  );
  const flat: string[] = [];
  const score = (k: number, i: number) => scores[k * n + i] / 1000;

  const matches = (query: Query, words: string[], i: number) => {
    const { dominant, factors, columns: wanted } = query;
    if (dominant?.length && !dominant.includes(map.dominant[i])) return false;
    for (const { factor, low, high } of factors ?? []) {
      const value = score(factor, i);
      if ((low !== null && value < low) || (high !== null && value > high)) return false;
    }
    for (const { column, values, low, high } of wanted ?? []) {
      const value = columns[column][i];
      if (values ? !values.includes(value) : !(value >= (low ?? -Infinity) && value <= (high ?? Infinity)))
        return false;
    }
    if (!words.length) return true;
    flat[i] ??= collapseSpaces(foldText(texts[i].text));
    return words.every((word) => flat[i].includes(word));
  };

  const numbered = texts.every(({ id }) => /^-?[0-9]{1,15}$/.test(id));
  /** What texts are sorted by; NaN where it is missing. */
  const key = (sort: NonNullable<Query["sort"]>): ((i: number) => number | string) => {
    const at = sort.at ?? 0;
    if (sort.by === "length") return (i) => texts[i].text.length;
    if (sort.by === "factor") return (i) => score(at, i);
    if (sort.by === "id") return (i) => (numbered ? Number(texts[i].id) : texts[i].id);
    if (summary.columns[at].kind === "number") return (i) => columns[at][i];
    return (i) => (columns[at][i] < 0 ? Number.NaN : columns[at][i]);
  };
  /** What is missing comes last in both directions. */
  function sorted(rows: number[], sort: NonNullable<Query["sort"]>) {
    const value = key(sort);
    const turn = sort.down ? -1 : 1;
    return rows.sort((i, j) => {
      const [a, b] = [value(i), value(j)];
      const lost = Number(Number.isNaN(a)) - Number(Number.isNaN(b));
      return lost || (a < b ? -turn : a > b ? turn : 0);
    });
  }

  function search(query: Query): Hits {
    const words = searchTerms(query.search ?? "");
    const among = query.rows
      ? query.rows.map((row) => at.get(row) ?? -1).filter((i) => i >= 0)
      : texts.keys();
    const chosen: number[] = [];
    for (const i of among) if (matches(query, words, i)) chosen.push(i);
    const { sort } = query;
    if (sort) sorted(chosen, sort);
    const asked = sort?.by === "factor" ? sort.at : query.factors?.[0]?.factor;
    const offset = query.offset ?? 0;
    const hits = chosen.slice(offset, offset + (query.limit ?? 50)).map((i): Hit => {
      const { row, id, text, values } = texts[i];
      const dominant = map.dominant[i];
      const scored = {
        score: dominant >= 0 ? score(dominant, i) : null,
        sought: asked === undefined ? null : score(asked, i),
      };
      return { row, id, ...excerpt(text, words), dominant, ...scored, relevance: null, values };
    });
    return { total: chosen.length, hits, rows: offset ? [] : chosen.map((i) => map.row[i]) };
  }

  const near = (i: number): Why["near"] =>
    data.texts[i].near.map(([row, r]) => {
      const other = texts[at.get(row) ?? 0];
      return { row, id: other.id, text: other.text.slice(0, 300), r };
    });

  /** The texts of a group here, by code or between its least and its greatest number. */
  function membersOf(column: number, group: number) {
    const values = columns[column];
    const { name, range } = data.comparisons[column].groups[group];
    const members = [...texts.keys()].filter((i) =>
      range ? values[i] >= range[0] && values[i] <= range[1] : values[i] === group,
    );
    if (members.length < MIN_GROUP_SIZE)
      throw new Error(
        `The group ${isolated(name)} has ${plural(members.length, "text")} here: too few to test a difference.`,
      );
    return members;
  }

  function compare(column: number, pair?: [number, number]): Comparison {
    const whole = data.comparisons[column];
    if (!pair) return whole;
    const [inA, inB] = pair.map((g) => membersOf(column, g));
    const shown = summary.factors.filter((f) => !f.hidden);
    const tests = shown.map(({ index }) => {
      const of = (members: number[]) => members.map((i) => score(index, i));
      return { factor: index, ...compareGroups(of(inA), of(inB)), q: 1 };
    });
    adjustPValues(tests.map((t) => t.p)).forEach((q, i) => {
      tests[i].q = q;
    });
    return { ...whole, pair: { a: pair[0], b: pair[1], tests } };
  }

  function rowsOf(what: ExportedTable, query?: Query): Row[] {
    if (what !== "texts")
      return { factors: factorRows, properties: propertyRows, evidence: evidenceRows }[what](summary);
    return search({ ...query, offset: 0, limit: n }).rows.map((row) => textRow(at.get(row) ?? 0));
  }

  /** A text with all its scores and columns; a column whose name is taken gets another, as on the server. */
  function textRow(i: number): Row {
    const { id, text, metadata } = texts[i];
    const row: Row = { id, dominant: summary.factors[map.dominant[i]]?.name ?? null };
    for (const f of summary.factors) row[freeName(`score: ${f.name}`, row)] = score(f.index, i);
    for (const [shown, name] of data.metadata) {
      const c = summary.columns.findIndex((column) => column.kind === "number" && column.name === shown);
      const number = c < 0 ? Number.NaN : columns[c][i];
      row[freeName(name, row)] = Number.isNaN(number) ? (metadata[shown] ?? null) : number;
    }
    return { id, [freeName("text", row)]: text, ...row };
  }

  return {
    served: false,
    summary: async () => summary,
    since: rejectEdit,
    map: async () => map,
    scores: async (factor) =>
      Float32Array.from(scores.subarray(factor * n, (factor + 1) * n), (v) => v / 1000),
    column: async (position) => {
      const values = columns[position];
      return values instanceof Float64Array ? Float32Array.from(values) : values;
    },
    layer: async () => data.layer,
    factor: async (factor) => summary.factors[factor],
    texts: async (query) => search(query),
    why: async (row) => {
      const i = at.get(row);
      if (i === undefined) throw new Error("This text is not among those the page holds.");
      return { ...data.texts[i], near: near(i) };
    },
    compare: async (column, pair) => compare(column, pair),
    agreement: async (run) => {
      const match = data.agreements.find((agreement) => agreement.run.name === run);
      if (!match) throw new Error("This page does not hold that run.");
      return match;
    },
    edit: rejectEdit,
    undo: rejectEdit,
    redo: rejectEdit,
    table: async (what, format, query) => tableFile(rowsOf(what, query), format),
    report: rejectEdit,
  };
}
