// What is shown keeps its factors when their numbers change. The server's numbers are checked in Python.
import { expect, test } from "vitest";
import { type NumberedState, renumber } from "../src/renumber";
import { readGolden } from "./golden";

interface Golden {
  cases: { name: string; moved: number[][]; shown: NumberedState; renumbered: NumberedState }[];
}
const golden = readGolden<Golden>("renumbering");

test.each(golden.cases)("$name", ({ moved, shown, renumbered }) => {
  const before = structuredClone(shown);
  expect(renumber(shown, moved)).toEqual(renumbered);
  expect(shown).toEqual(before);
});
