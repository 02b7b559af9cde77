// The source inside report.html: the same questions, answered from the page's own data.
import type { Comparison, Hit, Hits, Inlined, Query, Why } from "./contract";
import { type ExportedTable, readPositions, type Source } from "./source";
import { corrected, difference } from "./statistics";
import { evidenceRows, factorRows, propertyRows, type Row, tableFile } from "./tables";

const bytesOf = (base64: string) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)).buffer;
const plain = (text: string) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

/** The words and "quoted phrases" of a search, accents and case aside. */
export const wordsOf = (search: string) =>
  [...search.matchAll(/"([^"]+)"?|(\S+)/g)].map((m) => plain(m[1] ?? m[2]).trim()).filter(Boolean);

/** The text without accents and case, and for each of its units the unit of the text it stands for. */
function folded(text: string) {
  let flat = "";
  const from: number[] = [];
  let at = 0;
  for (const character of text) {
    const simple = plain(character);
    for (let i = 0; i < simple.length; i++) from.push(at);
    flat += simple;
    at += character.length;
  }
  from.push(at);
  return { flat, from };
}

function excerpt(text: string, words: string[]) {
  const { flat, from } = folded(text);
  const spans: [number, number][] = [];
  for (const word of words)
    for (
      let at = flat.indexOf(word);
      at >= 0 && spans.length < 200;
      at = flat.indexOf(word, at + word.length)
    )
      spans.push([from[at], from[at + word.length]]);
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

const refuse = () =>
  Promise.reject(new Error("This page holds the data only: edits need `goalspace explore`."));

export function inlinedSource(data: Inlined): Source {
  const { summary, texts } = data;
  const n = texts.length;
  const map = readPositions(bytesOf(data.map), n);
  const scores = new Int16Array(bytesOf(data.scores));
  const at = new Map(Array.from(map.row, (row, i) => [row, i]));
  const columns = data.columns.map((column, c) =>
    summary.columns[c].kind === "number"
      ? new Float32Array(bytesOf(column))
      : new Int16Array(bytesOf(column)),
  );
  const flat: string[] = [];
  const score = (k: number, i: number) => scores[k * n + i] / 100;

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
    flat[i] ??= plain(texts[i].text);
    return words.every((word) => flat[i].includes(word));
  };

  const key = (sort: Query["sort"]) => {
    if (sort?.by === "length") return (i: number) => texts[i].text.length;
    if (sort?.by === "factor") return (i: number) => score(sort.at ?? 0, i);
    if (sort?.by === "column") return (i: number) => columns[sort.at ?? 0][i];
    return null;
  };

  function search(query: Query): Hits {
    const words = wordsOf(query.search ?? "");
    const among = query.rows
      ? query.rows.map((row) => at.get(row) ?? -1).filter((i) => i >= 0)
      : texts.keys();
    const chosen: number[] = [];
    for (const i of among) if (matches(query, words, i)) chosen.push(i);
    const { sort } = query;
    const value = key(sort);
    const turn = sort?.down ? -1 : 1;
    if (sort?.by === "id")
      chosen.sort((i, j) => turn * texts[i].id.localeCompare(texts[j].id, "en", { numeric: true }));
    if (value) chosen.sort((i, j) => turn * (value(i) - value(j)));
    const offset = query.offset ?? 0;
    const hits = chosen.slice(offset, offset + (query.limit ?? 50)).map((i): Hit => {
      const { row, id, text, values } = texts[i];
      const dominant = map.dominant[i];
      const score_ = dominant >= 0 ? score(dominant, i) : null;
      return { row, id, ...excerpt(text, words), dominant, score: score_, relevance: null, values };
    });
    return { total: chosen.length, hits, rows: offset ? [] : chosen.map((i) => map.row[i]) };
  }

  function nearest(i: number): Why["near"] {
    const factors = summary.factors.map((f) => f.index);
    const dots = texts.map((_, j) => {
      const [dot, a, b] = factors.reduce(
        ([d, x, y], k) => [d + score(k, i) * score(k, j), x + score(k, i) ** 2, y + score(k, j) ** 2],
        [0, 0, 0],
      );
      return dot / Math.sqrt(a * b || 1);
    });
    return dots
      .map((r, j) => ({ r, j }))
      .filter(({ j }) => j !== i)
      .sort((a, b) => b.r - a.r)
      .slice(0, 5)
      .map(({ r, j }) => ({ row: texts[j].row, id: texts[j].id, text: texts[j].text.slice(0, 300), r }));
  }

  /** Which texts belong to a group: by code, or for numbers between cuts at their quarters, as the server cuts. */
  function membersOf(column: number, group: number) {
    const values = columns[column];
    if (summary.columns[column].kind !== "number") return (i: number) => values[i] === group;
    const sorted = Array.from(values)
      .filter((v) => !Number.isNaN(v))
      .sort((a, b) => a - b);
    const quantile = (part: number) => {
      const place = part * (sorted.length - 1);
      const low = Math.floor(place);
      return sorted[low] + (place - low) * ((sorted[low + 1] ?? sorted[low]) - sorted[low]);
    };
    let cuts = [...new Set([0, 0.25, 0.5, 0.75, 1].map(quantile))];
    if (cuts.length < 3) cuts = [...new Set([cuts[0], quantile(0.5), quantile(1)])];
    const [low, high] = [
      group === 0 ? -Infinity : cuts[group],
      group + 2 >= cuts.length ? Infinity : cuts[group + 1],
    ];
    return (i: number) => values[i] > low && values[i] <= high;
  }

  function compare(column: number, pair?: [number, number]): Comparison {
    const whole = data.comparisons[column];
    if (!pair) return whole;
    const [inA, inB] = pair.map((g) => membersOf(column, g));
    const all = [...texts.keys()];
    const tests = summary.factors.map(({ index }) => {
      const of = (member: (i: number) => boolean) => all.filter(member).map((i) => score(index, i));
      return { factor: index, ...difference(of(inA), of(inB)), q: 1 };
    });
    corrected(tests.map((t) => t.p)).forEach((q, i) => {
      tests[i].q = q;
    });
    return { ...whole, pair: { a: pair[0], b: pair[1], tests } };
  }

  function rowsOf(what: ExportedTable, query?: Query): Row[] {
    if (what !== "texts")
      return { factors: factorRows, properties: propertyRows, evidence: evidenceRows }[what](summary);
    return search({ ...query, offset: 0, limit: n }).hits.map(({ row, id, dominant, values }) => {
      const i = at.get(row) ?? 0;
      const scores = summary.factors.map((f): [string, number] => [`score: ${f.name}`, score(f.index, i)]);
      const own = summary.columns.map((column, c): [string, string | null] => [column.name, values[c]]);
      const named = summary.factors[dominant]?.name ?? null;
      return {
        id,
        text: texts[i].text,
        dominant: named,
        ...Object.fromEntries(scores),
        ...Object.fromEntries(own),
      };
    });
  }

  return {
    served: false,
    summary: async () => summary,
    since: refuse,
    map: async () => map,
    scores: async (factor) =>
      Float32Array.from(scores.subarray(factor * n, (factor + 1) * n), (v) => v / 100),
    column: async (position) => columns[position],
    layer: async () => data.layer,
    factor: async (factor) => summary.factors[factor],
    texts: async (query) => search(query),
    why: async (row) => {
      const i = at.get(row);
      if (i === undefined) throw new Error("This text is not among those the page holds.");
      return { ...texts[i], near: nearest(i) };
    },
    compare: async (column, pair) => compare(column, pair),
    agreement: async (run) => {
      const match = data.agreements.find((agreement) => agreement.run.name === run);
      if (!match) throw new Error("This page does not hold that run.");
      return match;
    },
    edit: refuse,
    undo: refuse,
    redo: refuse,
    table: async (what, format, query) => tableFile(rowsOf(what, query), format),
    report: refuse,
  };
}
