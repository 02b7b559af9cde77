// The data inside report.html, decoded. A text is addressed by its index among those the page holds.
import { elementAt } from "../arrays";
import type { Inlined, InlinedText, Summary } from "../contract";
import { type Positions, readPositions } from "../source";

const decodeBase64 = (base64: string) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)).buffer;

export class InlinedRun {
  readonly summary: Summary;
  readonly texts: InlinedText[];
  readonly positions: Positions;
  /** By column: codes (-1 missing) or numbers (NaN missing). */
  readonly columns: (Int16Array | Float64Array)[];
  private readonly scores: Int16Array; // × 1,000
  private readonly indices: Map<number, number>;

  constructor(readonly data: Inlined) {
    this.summary = data.summary;
    this.texts = data.texts;
    this.positions = readPositions(decodeBase64(data.map), data.texts.length);
    this.indices = new Map(Array.from(this.positions.row, (row, i) => [row, i]));
    this.scores = new Int16Array(decodeBase64(data.scores));
    this.columns = data.columns.map((column, position) =>
      elementAt(data.summary.columns, position).kind === "number"
        ? new Float64Array(decodeBase64(column))
        : new Int16Array(decodeBase64(column)),
    );
  }

  indexOf(row: number): number | undefined {
    return this.indices.get(row);
  }

  text(i: number): InlinedText {
    return elementAt(this.texts, i);
  }

  dominant(i: number): number {
    return elementAt(this.positions.dominant, i);
  }

  score(factor: number, i: number): number {
    return elementAt(this.scores, factor * this.texts.length + i) / 1000;
  }

  scoresOf(factor: number): Float32Array {
    const n = this.texts.length;
    return Float32Array.from(this.scores.subarray(factor * n, (factor + 1) * n), (v) => v / 1000);
  }

  value(column: number, i: number): number {
    return elementAt(elementAt(this.columns, column), i);
  }
}
