// What colour each point has, and what the legend says of it.

import { diverging, hueOf, type Rgb, sequential } from "../colour";
import type { Column, Summary } from "../contract";
import type { Positions } from "../source";
import { type Colour, columnOf, scoresOf } from "../state";

export type Legend =
  | {
      kind: "codes";
      what: "dominant" | number;
      entries: { code: number; name: string; n: number; tint: Rgb }[];
    }
  | { kind: "scale"; title: string; low: string; high: string; steps: Rgb[] };

export interface Tinted {
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

function counted(codes: Int16Array): Map<number, number> {
  const counts = new Map<number, number>();
  for (const code of codes) counts.set(code, (counts.get(code) ?? 0) + 1);
  return counts;
}

function byDominant(all: Summary, at: Positions): Tinted {
  const counts = counted(at.dominant);
  const named = all.factors
    .filter((f) => !f.hidden)
    .map((f) => ({ code: f.index, name: f.name, n: counts.get(f.index) ?? 0, tint: hueOf(f.index) }));
  const none = counts.get(-1) ?? 0;
  return {
    tints: paint(at.dominant.length, (i) => hueOf(at.dominant[i])),
    legend: {
      kind: "codes",
      what: "dominant",
      entries: [...named, ...(none ? [{ code: -1, name: "", n: none, tint: hueOf(-1) }] : [])],
    },
  };
}

const STEPS = [...Array(24).keys()].map((i) => i / 23);
const short = (value: number) =>
  new Intl.NumberFormat("en", { maximumSignificantDigits: 4, useGrouping: false }).format(value);

function byCodes(column: Column, at: number, codes: Int16Array): Tinted {
  const counts = counted(codes);
  const last = Math.max(column.values.length - 1, 1);
  const entries = column.values.map((name, code) => ({ code, name, n: counts.get(code) ?? 0 }));
  if (column.kind === "category")
    entries.sort((a, b) => Number(a.code === column.rest) - Number(b.code === column.rest) || b.n - a.n);
  const ranks = new Map(entries.map(({ code }, rank) => [code, rank]));
  // time has an order, so its colours have one too; of categories the 20 most frequent have a colour of their own
  const tint = (code: number): Rgb => {
    if (code < 0 || code === column.rest) return hueOf(-1);
    if (column.kind === "time") return sequential(code / last);
    const rank = ranks.get(code) ?? 20;
    return hueOf(rank < 20 ? rank : -1);
  };
  const missing = counts.get(-1) ?? 0;
  return {
    tints: paint(codes.length, (i) => tint(codes[i])),
    legend: {
      kind: "codes",
      what: at,
      entries: [
        ...entries.map((entry) => ({ ...entry, tint: tint(entry.code) })),
        ...(missing ? [{ code: -1, name: "", n: missing, tint: hueOf(-1) }] : []),
      ],
    },
  };
}

function byNumber(column: Column, values: Float32Array): Tinted {
  const [low, high] = [column.low ?? 0, column.high ?? 1];
  return {
    tints: paint(values.length, (i) => sequential((values[i] - low) / (high - low || 1))),
    legend: {
      kind: "scale",
      title: column.name,
      low: short(low),
      high: short(high),
      steps: STEPS.map(sequential),
    },
  };
}

export async function tinted(colour: Colour, all: Summary, at: Positions): Promise<Tinted> {
  if (colour.by === "dominant") return byDominant(all, at);
  if (colour.by === "score") {
    const scores = await scoresOf(colour.at);
    return {
      tints: paint(scores.length, (i) => diverging(scores[i] / 3)),
      legend: {
        kind: "scale",
        title: all.factors[colour.at].name,
        low: "−3",
        high: "+3",
        steps: STEPS.map((part) => diverging(2 * part - 1)),
      },
    };
  }
  const column = all.columns[colour.at];
  const values = await columnOf(colour.at);
  return values instanceof Float32Array ? byNumber(column, values) : byCodes(column, colour.at, values);
}
