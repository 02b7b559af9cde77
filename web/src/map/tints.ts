// The colour of each point, and the legend that explains it.
import { elementAt } from "../arrays";
import { fetchColumn, fetchScores } from "../cache";
import { diverging, paletteColour, type Rgb, sequential } from "../colour";
import type { Column, Summary } from "../contract";
import type { Colour } from "../model";
import type { Positions } from "../source";

export type Legend =
  | {
      kind: "codes";
      what: "dominant" | number; // else the column
      entries: { code: number; name: string; n: number; tint: Rgb }[];
    }
  | { kind: "scale"; title: string; low: string; high: string; steps: Rgb[] };

export interface ColouredPoints {
  tints: Uint8Array;
  legend: Legend;
}

function paint(n: number, of: (i: number) => Rgb): Uint8Array {
  const tints = new Uint8Array(4 * n);
  for (let i = 0; i < n; i++) {
    const [r, g, b] = of(i);
    tints[4 * i] = r;
    tints[4 * i + 1] = g;
    tints[4 * i + 2] = b;
    tints[4 * i + 3] = 255;
  }
  return tints;
}

function countCodes(codes: Int16Array): Map<number, number> {
  const counts = new Map<number, number>();
  for (const code of codes) counts.set(code, (counts.get(code) ?? 0) + 1);
  return counts;
}

function byDominant(summary: Summary, { dominant }: Positions): ColouredPoints {
  const counts = countCodes(dominant);
  const named = summary.factors
    .filter((f) => !f.hidden)
    .map((f) => ({ code: f.index, name: f.name, n: counts.get(f.index) ?? 0, tint: paletteColour(f.index) }));
  const none = counts.get(-1) ?? 0;
  return {
    tints: paint(dominant.length, (i) => paletteColour(elementAt(dominant, i))),
    legend: {
      kind: "codes",
      what: "dominant",
      entries: [...named, ...(none ? [{ code: -1, name: "", n: none, tint: paletteColour(-1) }] : [])],
    },
  };
}

const STEPS = [...Array(24).keys()].map((i) => i / 23);
const formatLimit = (value: number) =>
  new Intl.NumberFormat("en", { maximumSignificantDigits: 4, useGrouping: false }).format(value);

function byCodes(column: Column, position: number, codes: Int16Array): ColouredPoints {
  const counts = countCodes(codes);
  const last = Math.max(column.values.length - 1, 1);
  const entries = column.values.map((name, code) => ({ code, name, n: counts.get(code) ?? 0 }));
  if (column.kind === "category")
    entries.sort((a, b) => Number(a.code === column.rest) - Number(b.code === column.rest) || b.n - a.n);
  const ranks = new Map(entries.map(({ code }, rank) => [code, rank]));
  // periods are ordered, so their colours are too; of categories, only the 20 most frequent have their own colour
  const tint = (code: number): Rgb => {
    if (code < 0 || code === column.rest) return paletteColour(-1);
    if (column.kind === "time") return sequential(code / last);
    const rank = ranks.get(code) ?? 20;
    return paletteColour(rank < 20 ? rank : -1);
  };
  const missing = counts.get(-1) ?? 0;
  return {
    tints: paint(codes.length, (i) => tint(elementAt(codes, i))),
    legend: {
      kind: "codes",
      what: position,
      entries: [
        ...entries.map((entry) => ({ ...entry, tint: tint(entry.code) })),
        ...(missing ? [{ code: -1, name: "", n: missing, tint: paletteColour(-1) }] : []),
      ],
    },
  };
}

function byNumber(column: Column, values: Float32Array): ColouredPoints {
  const [low, high] = [column.low ?? 0, column.high ?? 1];
  return {
    tints: paint(values.length, (i) => sequential((elementAt(values, i) - low) / (high - low || 1))),
    legend: {
      kind: "scale",
      title: column.name,
      low: formatLimit(low),
      high: formatLimit(high),
      steps: STEPS.map(sequential),
    },
  };
}

export async function colourPoints(
  colour: Colour,
  summary: Summary,
  positions: Positions,
): Promise<ColouredPoints> {
  if (colour.by === "dominant") return byDominant(summary, positions);
  if (colour.by === "score") {
    const scores = await fetchScores(colour.at);
    return {
      tints: paint(scores.length, (i) => diverging(elementAt(scores, i) / 3)),
      legend: {
        kind: "scale",
        title: elementAt(summary.factors, colour.at).name,
        low: "−3",
        high: "+3",
        steps: STEPS.map((part) => diverging(2 * part - 1)),
      },
    };
  }
  const column = elementAt(summary.columns, colour.at);
  const values = await fetchColumn(colour.at);
  return values instanceof Float32Array ? byNumber(column, values) : byCodes(column, colour.at, values);
}
