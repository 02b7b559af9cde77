// Two groups of a column compared in the page, over the inlined texts.
import { elementAt } from "../arrays";
import type { Comparison } from "../contract";
import { isolated, plural } from "../format";
import { adjustPValues, compareGroups, MIN_GROUP_SIZE } from "../statistics";
import type { InlinedRun } from "./run";

/** The texts of a group: those with its code, or with a number in its range. */
function membersOf(run: InlinedRun, { column, groups }: Comparison, group: number): number[] {
  const { name, range } = elementAt(groups, group);
  const isMember = (value: number) => (range ? value >= range[0] && value <= range[1] : value === group);
  const members = [...run.texts.keys()].filter((i) => isMember(run.value(column, i)));
  if (members.length < MIN_GROUP_SIZE)
    throw new Error(
      `The group ${isolated(name)} has ${plural(members.length, "text")} here: too few to test a difference.`,
    );
  return members;
}

/** The comparison of all groups, computed over all texts of the run; with a pair, its tests over the inlined ones. */
export function compare(run: InlinedRun, column: number, pair?: [number, number]): Comparison {
  const comparison = elementAt(run.data.comparisons, column);
  if (!pair) return comparison;
  const [a, b] = pair;
  const [inA, inB] = [membersOf(run, comparison, a), membersOf(run, comparison, b)];
  const tests = run.summary.factors
    .filter(({ hidden }) => !hidden)
    .map(({ index }) => {
      const scoresOf = (members: number[]) => members.map((i) => run.score(index, i));
      return { factor: index, ...compareGroups(scoresOf(inA), scoresOf(inB)) };
    });
  const q = adjustPValues(tests.map(({ p }) => p));
  return {
    ...comparison,
    pair: { a, b, tests: tests.map((test, i) => ({ ...test, q: elementAt(q, i) })) },
  };
}
