// What the pointer does on the map: move, zoom, pinch, draw an outline, hover, choose.
import { useEffect, useRef } from "preact/hooks";
import { fetchHit } from "../cache";
import type { Hit, Layer } from "../contract";
import { setLasso } from "../filters";
import { query, selectedRow } from "../model";
import { propertyQuery } from "../navigation";
import type { Positions } from "../source";
import { type Camera, panned, type Size, toMap, toScreen } from "./camera";

interface PointerContext {
  camera: { current: Camera | null };
  size: Size;
  mode: { value: "move" | "lasso" };
  drawing: { current: number[] | null };
  tip: { value: { x: number; y: number; hit: Hit | null; property: number } | null };
  move: (camera: Camera) => void;
  zoom: (factor: number, px: number, py: number) => void;
  repaint: () => void;
  nearest: (px: number, py: number) => number;
  at: Positions;
  layer: Layer | null;
}

function nearestProperty(hands: PointerContext, px: number, py: number): number {
  const { layer, size, camera } = hands;
  if (!layer || !camera.current) return -1;
  let [best, distance] = [-1, 64];
  for (let i = 0; i < layer.names.length; i++) {
    const [x, y] = toScreen(camera.current, size, layer.x[i], layer.y[i]);
    const d = (x - px) ** 2 + (y - py) ** 2;
    if (d < distance) [best, distance] = [i, d];
  }
  return best;
}

/** An outline of at most 60 corners, so that it fits into a link. */
function simplified(outline: number[]): number[] {
  const corners = outline.length / 2;
  const step = Math.max(1, Math.ceil(corners / 60));
  return outline.filter((_, i) => Math.floor(i / 2) % step === 0);
}

export function usePointer(box: { current: HTMLDivElement | null }, hands: PointerContext) {
  const latest = useRef(hands);
  latest.current = hands;
  useEffect(() => {
    const element = box.current;
    const surface = element?.querySelector<HTMLCanvasElement>("canvas.points");
    if (!element || !surface) return;
    const down = new Map<number, [number, number]>();
    let travelled = 0;
    let waiting = 0;
    const placeOf = (event: MouseEvent): [number, number] => {
      const rect = surface.getBoundingClientRect();
      return [event.clientX - rect.left, event.clientY - rect.top];
    };
    const onDown = (event: PointerEvent) => {
      if (event.button !== 0) return;
      surface.focus({ preventScroll: true });
      surface.setPointerCapture(event.pointerId);
      down.set(event.pointerId, placeOf(event));
      travelled = 0;
      const { mode, drawing, camera, size } = latest.current;
      if ((mode.value === "lasso" || event.shiftKey) && down.size === 1 && camera.current)
        drawing.current = toMap(camera.current, size, ...placeOf(event));
      else drawing.current = null;
    };
    const hover = (px: number, py: number) => {
      clearTimeout(waiting);
      waiting = window.setTimeout(async () => {
        const { nearest, tip, at } = latest.current;
        const property = nearestProperty(latest.current, px, py);
        if (property >= 0) {
          tip.value = { x: px, y: py, hit: null, property };
          return;
        }
        const i = nearest(px, py);
        surface.classList.toggle("pointing", i >= 0);
        if (i < 0) {
          tip.value = null;
          return;
        }
        const asked = waiting;
        const hit = await fetchHit(at.row[i]).catch(() => undefined);
        if (hit && asked === waiting) tip.value = { x: px, y: py, hit, property: -1 };
      }, 40);
    };
    const onMove = (event: PointerEvent) => {
      const [px, py] = placeOf(event);
      const before = down.get(event.pointerId);
      if (!before) {
        if (event.pointerType === "mouse") hover(px, py);
        return;
      }
      const { camera, size, drawing, move, zoom, repaint } = latest.current;
      if (!camera.current) return;
      const [dx, dy] = [px - before[0], py - before[1]];
      if (drawing.current) {
        if (Math.abs(dx) + Math.abs(dy) < 3) return;
        drawing.current.push(...toMap(camera.current, size, px, py));
        repaint();
      } else if (down.size === 2) {
        const [other] = [...down].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
        const old = Math.hypot(before[0] - other[0], before[1] - other[1]);
        const now = Math.hypot(px - other[0], py - other[1]);
        zoom(now / Math.max(old, 1), (px + other[0]) / 2, (py + other[1]) / 2);
      } else if (travelled + Math.abs(dx) + Math.abs(dy) > 4) {
        move(panned(camera.current, dx, dy));
      } else return;
      travelled += Math.abs(dx) + Math.abs(dy);
      down.set(event.pointerId, [px, py]);
    };
    const onUp = (event: PointerEvent) => {
      if (!down.delete(event.pointerId)) return;
      const { drawing, nearest, at, mode, repaint, layer } = latest.current;
      const outline = drawing.current;
      drawing.current = null;
      if (outline) {
        mode.value = "move";
        if (outline.length >= 6) setLasso(simplified(outline).map((v) => Math.round(v * 1000) / 1000));
        else repaint();
        return;
      }
      if (travelled > 4) return;
      const [px, py] = placeOf(event);
      const property = nearestProperty(latest.current, px, py);
      if (property >= 0 && layer) query.value = propertyQuery(layer.names[property]);
      const i = property < 0 ? nearest(px, py) : -1;
      if (i >= 0) selectedRow.value = at.row[i];
      else if (property < 0) selectedRow.value = null;
    };
    const onWheel = (event: WheelEvent) => {
      event.preventDefault();
      const lines = event.deltaMode === 1 ? 16 : 1;
      latest.current.zoom(
        Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0016)),
        ...placeOf(event),
      );
    };
    const onLeave = () => {
      clearTimeout(waiting);
      waiting = 0;
      latest.current.tip.value = null;
    };
    const onDouble = (event: MouseEvent) => latest.current.zoom(2, ...placeOf(event));
    surface.addEventListener("pointerdown", onDown);
    surface.addEventListener("pointermove", onMove);
    surface.addEventListener("pointerup", onUp);
    surface.addEventListener("pointercancel", onUp);
    surface.addEventListener("pointerleave", onLeave);
    surface.addEventListener("dblclick", onDouble);
    element.addEventListener("wheel", onWheel, { passive: false });
    return () => {
      clearTimeout(waiting);
      element.removeEventListener("wheel", onWheel);
    };
  }, []);
}
