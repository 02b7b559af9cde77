// How points are drawn: their style, their order, and how many of them while the camera moves.
import { elementAt } from "../arrays";
import { type Camera, fitAll, type Size } from "./camera";
import type { Placement } from "./placement";
import type { PointStyle } from "./points";

export const pointStyle = (n: number, camera: Camera, size: Size, filtered: boolean): PointStyle => {
  const magnification = Math.max(camera.scale / fitAll(size).scale, 0.5);
  const room = Math.min(Math.max(fitAll(size).scale / 650, 0.6), 1.2);
  const base = Math.min(Math.max((170 / Math.sqrt(n)) * room, 1.8), 8);
  return {
    diameter: Math.min(base * magnification ** 0.45, 16),
    opacity: n > 20_000 && magnification < 4 ? 0.6 : 0.88,
    faded: filtered ? (n > 20_000 ? 0.06 : 0.14) : 0,
  };
};

const REST = 160; // ms without a move

/** Draws fewer points while the camera moves if frames take long, and all of them once it rests. */
export function adaptDetail(
  detail: { part: number; last: number; rest: number },
  n: number,
  repaint: () => void,
) {
  const now = performance.now();
  const elapsed = now - detail.last;
  if (elapsed < 400) {
    const least = Math.min(1, 6000 / n);
    if (elapsed > 40) detail.part = Math.max(detail.part * 0.6, least);
    else if (elapsed < 20) detail.part = Math.min(detail.part * 1.1, 1);
  }
  detail.last = now;
  detail.rest = now + REST;
  setTimeout(() => performance.now() >= detail.rest && repaint(), REST + 10);
}

/** 0 … n-1 shuffled, the same at every call: any stretch of it is a fair sample. */
export function shuffled(n: number): Uint32Array {
  const order = new Uint32Array(n).map((_, i) => i);
  let state = 1;
  for (let i = n - 1; i > 0; i--) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const j = Math.floor((state / 4294967296) * (i + 1));
    const swapped = elementAt(order, i);
    order[i] = elementAt(order, j);
    order[j] = swapped;
  }
  return order;
}

/** Indices in the order of drawing, first those that are not among `rows`, and how many these are. */
export function drawingOrder(placement: Placement, rows: number[] | null): [Uint32Array, number] {
  const { sampleOrder } = placement;
  if (!rows) return [sampleOrder, 0];
  const matching = new Set(rows);
  const order = new Uint32Array(sampleOrder.length);
  let [front, back] = [0, sampleOrder.length];
  for (const i of sampleOrder) {
    if (matching.has(placement.rowAt(i))) order[--back] = i;
    else order[front++] = i;
  }
  return [order, front];
}
