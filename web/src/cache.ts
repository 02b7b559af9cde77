// Data that is fetched once and kept until an edit makes it stale.
import type { Hit, Layer } from "./contract";
import { source } from "./model";

const cache = new Map<string, Promise<unknown>>();

/** The result of `load`, from the cache if `key` is known; a failed request is not kept. */
export function memoise<T>(key: string, load: () => Promise<T>): Promise<T> {
  const cached = cache.get(key) as Promise<T> | undefined;
  if (cached) return cached;
  const pending = load().catch((error) => {
    cache.delete(key);
    throw error;
  });
  cache.set(key, pending);
  return pending;
}
export const clearCache = () => cache.clear();

export const fetchScores = (factor: number) => memoise(`scores ${factor}`, () => source.scores(factor));
export const fetchColumn = (column: number) => memoise(`column ${column}`, () => source.column(column));
export const fetchLayer = (): Promise<Layer> => memoise("layer", () => source.layer());
/** One text as a short hit, for tooltips. */
export const fetchHit = (row: number): Promise<Hit | undefined> =>
  memoise(`hit ${row}`, async () => (await source.texts({ rows: [row], limit: 1 })).hits[0]);
