// Factors are shown by their numbers, which an edit changes: the same things under the numbers after it.
import type { Query } from "./contract";
import type { Colour } from "./model";

export interface NumberedState {
  factor: number | null;
  colour: Colour;
  query: Query;
}

/** What is gone is left out; of a factor that was split, the filter takes all parts, everything else the first. */
export function renumber({ factor, colour, query }: NumberedState, moved: number[][]): NumberedState {
  const all = (k: number) => (k < 0 ? [k] : (moved[k] ?? [])); // -1: texts without a factor
  const now = (k: number): number | undefined => all(k)[0];
  const some = <T>(list: T[] | undefined) => (list?.length ? list : undefined);
  const dominant = [...new Set(query.dominant?.flatMap(all))];
  const ranges = new Map<number, NonNullable<Query["factors"]>[number]>(); // one a factor, also of merged ones
  for (const range of query.factors ?? []) {
    const to = now(range.factor);
    if (to !== undefined && !ranges.has(to)) ranges.set(to, { ...range, factor: to });
  }
  let { sort } = query;
  if (sort?.by === "factor") {
    const at = now(sort.at ?? 0);
    sort = at === undefined ? undefined : { ...sort, at };
  }
  const shade = colour.by === "score" ? now(colour.at) : undefined;
  return {
    factor: factor === null ? null : (now(factor) ?? null),
    colour:
      colour.by !== "score" ? colour : shade === undefined ? { by: "dominant" } : { by: "score", at: shade },
    query: { ...query, dominant: some(dominant), factors: some([...ranges.values()]), sort },
  };
}
