// Where data comes from: a server, or the page itself. Both answer the requests that contract.ts describes.
import type {
  Agreement,
  Changed,
  Comparison,
  Edit,
  ExportedFormat,
  ExportedTable,
  Factor,
  Hits,
  Layer,
  OverTime,
  Query,
  Summary,
  Why,
} from "./contract";

export interface Positions {
  x: Float32Array;
  y: Float32Array;
  dominant: Int16Array;
  row: Int32Array;
}

export interface Source {
  readonly served: boolean;
  summary(): Promise<Summary>;
  /** The current summary, and what became of the factors since the edit log had `seen` lines. */
  since(seen: number): Promise<Changed>;
  map(): Promise<Positions>;
  scores(factor: number): Promise<Float32Array>;
  column(position: number): Promise<Int16Array | Float32Array>;
  layer(): Promise<Layer>;
  factor(factor: number): Promise<Factor>;
  texts(query: Query, signal?: AbortSignal): Promise<Hits>;
  why(row: number): Promise<Why>;
  compare(column: number, pair?: [number, number]): Promise<Comparison>;
  /** The column must be a time. */
  overTime(column: number): Promise<OverTime>;
  agreement(run: string): Promise<Agreement>;
  edit(edit: Edit, seen: number): Promise<Changed>;
  undo(seen: number): Promise<Changed>;
  redo(seen: number): Promise<Changed>;
  table(what: ExportedTable, format: ExportedFormat, query?: Query): Promise<Blob>;
  report(): Promise<Blob>;
}

export function readPositions(bytes: ArrayBuffer, n: number): Positions {
  // copied, as a view of int32 must start at a multiple of 4 bytes, which 10 n may not be
  const rows = new Uint8Array(bytes, 10 * n, 4 * n).slice();
  return {
    x: new Float32Array(bytes, 0, n),
    y: new Float32Array(bytes, 4 * n, n),
    dominant: new Int16Array(bytes, 8 * n, n),
    row: new Int32Array(rows.buffer),
  };
}
