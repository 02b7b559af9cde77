// Where the texts are on the map, indexed for drawing and for finding the one under the pointer.
import KDBush from "kdbush";
import { elementAt } from "../arrays";
import type { Point } from "../outline";
import type { Positions } from "../source";
import { shuffled } from "./drawing";

export class Placement {
  /** The texts in an order of which any stretch is a fair sample. */
  readonly sampleOrder: Uint32Array;
  private readonly index: KDBush;
  private readonly indices: Map<number, number>; // by row

  constructor(readonly positions: Positions) {
    const n = positions.x.length;
    this.index = new KDBush(n);
    for (let i = 0; i < n; i++) this.index.add(...this.pointAt(i));
    this.index.finish();
    this.sampleOrder = shuffled(n);
    this.indices = new Map(Array.from(positions.row, (row, i) => [row, i]));
  }

  get size(): number {
    return this.positions.x.length;
  }

  rowAt(i: number): number {
    return elementAt(this.positions.row, i);
  }

  pointAt(i: number): Point {
    return [elementAt(this.positions.x, i), elementAt(this.positions.y, i)];
  }

  /** The position of a text; null if it is not on the map. */
  pointOf(row: number): Point | null {
    const i = this.indices.get(row);
    return i === undefined ? null : this.pointAt(i);
  }

  /** The row of the text that is nearest to a point and within reach of it; with `rows`, among these only. */
  nearest(x: number, y: number, reach: number, rows: Set<number> | null): number | null {
    let [nearest, least]: [number | null, number] = [null, Infinity];
    for (const i of this.index.within(x, y, reach)) {
      const [px, py] = this.pointAt(i);
      const distance = (px - x) ** 2 + (py - y) ** 2;
      const row = this.rowAt(i);
      if (distance < least && (!rows || rows.has(row))) [nearest, least] = [row, distance];
    }
    return nearest;
  }
}
