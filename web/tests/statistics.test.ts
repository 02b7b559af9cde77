// Differences of groups and corrected p-values, held to the same cases as the server.
import { describe, expect, test } from "vitest";
import { adjustPValues, compareGroups } from "../src/statistics";
import { readGolden } from "./golden";

interface Golden {
  differences: {
    name: string;
    a: number[];
    b: number[];
    effect: number;
    low: number;
    high: number;
    p: number;
  }[];
  corrections: { name: string; p: (number | null)[]; q: number[] }[]; // null: NaN
}
const golden = readGolden<Golden>("statistics");

const expectClose = (value: number, expected: number) =>
  expect(Math.abs(value - expected)).toBeLessThanOrEqual(
    1e-6 * Math.abs(expected) + 1e-12 * Number(expected === 0),
  );

describe("two groups are compared as on the server", () => {
  test.each(golden.differences)("$name", ({ a, b, effect, low, high, p }) => {
    const difference = compareGroups(a, b);
    expectClose(difference.effect, effect);
    expectClose(difference.low, low);
    expectClose(difference.high, high);
    expectClose(difference.p, p);
  });

  test.each(golden.differences)("$name, the other way round", ({ a, b, effect, low, high, p }) => {
    const difference = compareGroups(b, a);
    expectClose(difference.effect, -effect);
    expectClose(difference.low, -high);
    expectClose(difference.high, -low);
    expectClose(difference.p, p);
  });
});

describe("p-values are corrected as on the server", () => {
  test.each(golden.corrections)("$name", ({ p, q }) => {
    const adjusted = adjustPValues(p.map((value) => value ?? Number.NaN));
    expect(adjusted).toHaveLength(q.length);
    for (const [i, value] of adjusted.entries()) expectClose(value, q[i] ?? Number.NaN);
  });
});
