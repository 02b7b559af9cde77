// The page refers to factors by their numbers, which an edit may change: here what it shows gets the new ones.
import type { Query, ScoreRange } from "./contract";
import type { Colour } from "./model";

export interface NumberedState {
  factor: number | null;
  colour: Colour;
  query: Query;
}

/**
 * What is shown, under the new numbers. Factors that are gone are dropped; of a factor that was split, the filter by
 * strongest factor takes all parts and everything else takes the first.
 */
export function renumber({ factor, colour, query }: NumberedState, moved: number[][]): NumberedState {
  const partsOf = (k: number) => (k < 0 ? [k] : (moved[k] ?? [])); // -1: texts without a factor
  const firstOf = (k: number): number | undefined => partsOf(k)[0];
  const nonEmpty = <T>(list: T[]) => (list.length ? list : undefined);
  const dominant = [...new Set(query.dominant?.flatMap(partsOf))];
  // one per factor, even if several were merged
  const ranges = new Map<number, ScoreRange>();
  for (const range of query.factors ?? []) {
    const target = firstOf(range.factor);
    if (target !== undefined && !ranges.has(target)) ranges.set(target, { ...range, factor: target });
  }
  let { sort } = query;
  if (sort?.by === "factor") {
    const at = firstOf(sort.at ?? 0);
    sort = at === undefined ? undefined : { ...sort, at };
  }
  return {
    factor: factor === null ? null : (firstOf(factor) ?? null),
    colour: renumberColour(colour, firstOf),
    query: { ...query, dominant: nonEmpty(dominant), factors: nonEmpty([...ranges.values()]), sort },
  };
}

function renumberColour(colour: Colour, firstOf: (k: number) => number | undefined): Colour {
  if (colour.by !== "score") return colour;
  const at = firstOf(colour.at);
  return at === undefined ? { by: "dominant" } : { by: "score", at };
}
