// How points are drawn: their size, their order, and how many while the camera moves.
import type { Positions } from "../source";
import { type Camera, fitAll, type Size } from "./camera";
import type { PointStyle } from "./points";

export const pointStyle = (n: number, camera: Camera, size: Size, filtered: boolean): PointStyle => {
  const closer = Math.max(camera.scale / fitAll(size).scale, 0.5);
  const room = Math.min(Math.max(fitAll(size).scale / 650, 0.6), 1.2);
  const base = Math.min(Math.max((170 / Math.sqrt(n)) * room, 1.8), 8);
  return {
    diameter: Math.min(base * closer ** 0.45, 16),
    opacity: n > 20_000 && closer < 4 ? 0.6 : 0.88,
    faded: filtered ? (n > 20_000 ? 0.06 : 0.14) : 0,
  };
};

const REST = 160; // ms without a move

export function adaptDetail(
  pace: { part: number; last: number; rest: number },
  n: number,
  repaint: () => void,
) {
  const now = performance.now();
  const took = now - pace.last;
  if (took < 400) {
    const least = Math.min(1, 6000 / n);
    if (took > 40) pace.part = Math.max(pace.part * 0.6, least);
    else if (took < 20) pace.part = Math.min(pace.part * 1.1, 1);
  }
  pace.last = now;
  pace.rest = now + REST;
  setTimeout(() => performance.now() >= pace.rest && repaint(), REST + 10);
}

/** 0 … n-1 shuffled, the same at each call: any stretch of it is a fair sample. */
export function shuffled(n: number): Uint32Array {
  const order = new Uint32Array(n).map((_, i) => i);
  let state = 1;
  for (let i = n - 1; i > 0; i--) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const j = Math.floor((state / 4294967296) * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

/** Indices in the order of drawing: those the filters leave out first. */
export function drawingOrder(
  at: Positions,
  mixed: Uint32Array,
  rows: number[] | null,
): [Uint32Array, number] {
  if (!rows) return [mixed, 0];
  const lit = new Set(rows);
  const order = new Uint32Array(mixed.length);
  let [front, back] = [0, mixed.length];
  for (const i of mixed) {
    if (lit.has(at.row[i])) order[--back] = i;
    else order[front++] = i;
  }
  return [order, front];
}
