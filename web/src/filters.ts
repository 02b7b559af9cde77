// The filters of the query: by factor, by column, by an outline on the map.
import { batch, computed } from "@preact/signals";
import { elementAt } from "./arrays";
import type { Query } from "./contract";
import { lasso, positions, query } from "./model";
import { cornersOf, isInside } from "./outline";

export const isFiltered = computed(() => {
  const { search, rows, factors, dominant, columns } = query.value;
  return Boolean(search?.trim() || rows || factors?.length || dominant?.length || columns?.length);
});

export const updateQuery = (part: Partial<Query>) => {
  query.value = { ...query.peek(), ...part };
};

export const clearFilters = () =>
  batch(() => {
    lasso.value = null;
    query.value = {};
  });

const toggled = (codes: number[], code: number) =>
  codes.includes(code) ? codes.filter((other) => other !== code) : [...codes, code];

export function toggleDominant(factor: number) {
  const dominant = toggled(query.peek().dominant ?? [], factor);
  updateQuery({ dominant: dominant.length ? dominant : undefined });
}

export function toggleValue(column: number, code: number) {
  const filters = query.peek().columns ?? [];
  const values = toggled(filters.find((f) => f.column === column)?.values ?? [], code);
  const others = filters.filter((f) => f.column !== column);
  const columns = values.length ? [...others, { column, values }] : others;
  updateQuery({ columns: columns.length ? columns : undefined });
}

/** Keeps the texts inside an outline on the map; null removes the outline. */
export function setLasso(outline: number[] | null) {
  const map = positions.peek();
  batch(() => {
    lasso.value = outline;
    if (!outline || !map) return updateQuery({ rows: undefined });
    const corners = cornersOf(outline);
    const inside = (_: number, i: number) => isInside(corners, elementAt(map.x, i), elementAt(map.y, i));
    updateQuery({ rows: [...map.row].filter(inside) });
  });
}
