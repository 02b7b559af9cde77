// Addresses restore what they were written from, and leave out what the run does not have.
import { beforeEach, describe, expect, test } from "vitest";
import { inventedData } from "../dev/fixture";
import { address, restoreAddress } from "../src/address";
import type { Column, Query, Summary } from "../src/contract";
import * as model from "../src/model";
import { readGolden } from "./golden";

interface State {
  view: model.View;
  factor: number | null;
  text: number | null;
  colour: model.Colour;
  properties: boolean;
  labels: boolean;
  order: "ranked" | "tree";
  query: Query;
  lasso: number[] | null;
  compare: model.CompareSettings;
  run: string | null;
}
interface Golden {
  run: {
    factors: number;
    columns: { kind: Column["kind"]; values: number }[];
    meaning: boolean;
    runs: string[];
    texts: [row: number, x: number, y: number][];
  };
  cases: {
    name: string;
    hash: string;
    state: State;
    canonical?: string; // the address of the state, if it is not the one that was given
    notice?: boolean; // whether the reader is told that something could not be read
  }[];
}
const golden = readGolden<Golden>("address");

function summaryOf({ factors, columns, meaning, runs }: Golden["run"]): Summary {
  const { summary } = inventedData(20);
  return {
    ...summary,
    able: { ...summary.able, meaning },
    factors: summary.factors.slice(0, factors),
    columns: columns.map(({ kind, values }, at) => ({
      name: `column ${at}`,
      kind,
      values: Array.from({ length: values }, (_, code) => `value ${code}`),
      rest: null,
      low: null,
      high: null,
    })),
    runs: runs.map((name) => ({ name, goal: "another goal", n_factors: 3, created: "" })),
  };
}

const shownState = (): State => ({
  view: model.view.value,
  factor: model.selectedFactor.value,
  text: model.selectedRow.value,
  colour: model.colour.value,
  properties: model.showLayer.value,
  labels: model.showLabels.value,
  order: model.factorOrder.value,
  query: model.query.value,
  lasso: model.lasso.value,
  compare: model.compareSettings.value,
  run: model.selectedRun.value,
});

beforeEach(() => {
  const { texts } = golden.run;
  model.summary.value = summaryOf(golden.run);
  model.positions.value = {
    row: Int32Array.from(texts, ([row]) => row),
    x: Float32Array.from(texts, ([, x]) => x),
    y: Float32Array.from(texts, ([, , y]) => y),
    dominant: new Int16Array(texts.length),
  };
  model.notice.value = null;
  // what an earlier address showed must not remain
  restoreAddress("view=edits&factor=0&text=0&colour=score:0&properties=1&labels=0&order=tree&run=where");
});

describe("an address restores", () => {
  test.each(golden.cases)("$name", ({ hash, state, notice }) => {
    restoreAddress(hash);
    expect(shownState()).toEqual(state);
    expect(model.notice.value !== null).toBe(notice === true);
  });
});

describe("what is shown is written as an address", () => {
  test.each(golden.cases)("$name", ({ hash, state, canonical = hash }) => {
    restoreAddress(hash);
    expect(address.value).toBe(canonical);
    // a comparison is in the address of its view only
    const { compare } =
      state.view === "compare" ? state : { compare: { column: 0, a: null, b: null, by: "shares" } };
    restoreAddress(canonical);
    expect(shownState()).toEqual({ ...state, compare });
  });
});

test("a search by meaning is left out where no encoder can be loaded", () => {
  model.summary.value = summaryOf({ ...golden.run, meaning: false });
  restoreAddress(`view=texts&query=${encodeURIComponent('{"search":"late","by":"meaning"}')}`);
  expect(model.query.value).toEqual({ search: "late" });
});
