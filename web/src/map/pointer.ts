// What the pointer does on the map: move, zoom, pinch, draw an outline, hover, select.
import type { Signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { elementAt } from "../arrays";
import { fetchHit } from "../cache";
import { setLasso } from "../filters";
import { query, selectedRow } from "../model";
import { propertyQuery } from "../navigation";
import { cornersOf, type Point } from "../outline";
import { panned, toMap, toScreen } from "./camera";
import type { MapPainter } from "./painter";
import type { TipState } from "./Tip";

export type PointerMode = "move" | "lasso";

const CLICK = 4; // pixels that the pointer may travel in a click
const PROPERTY_REACH = 8; // pixels between the pointer and a property that it hits
const HOVER_DELAY = 40; // ms
const MAX_CORNERS = 60; // of an outline, so that it fits into a link

/** The index of the property under the pointer; -1 if there is none. */
function propertyUnder({ scene, camera }: MapPainter, px: number, py: number): number {
  const { layer, size } = scene;
  if (!layer || !camera) return -1;
  let [nearest, least] = [-1, PROPERTY_REACH ** 2];
  for (let i = 0; i < layer.names.length; i++) {
    const [x, y] = toScreen(camera, size, elementAt(layer.x, i), elementAt(layer.y, i));
    const distance = (x - px) ** 2 + (y - py) ** 2;
    if (distance < least) [nearest, least] = [i, distance];
  }
  return nearest;
}

/** An outline with its corners thinned out and rounded. */
function simplified(outline: number[]): number[] {
  const corners = cornersOf(outline);
  const step = Math.max(1, Math.ceil(corners.length / MAX_CORNERS));
  return corners
    .filter((_, i) => i % step === 0)
    .flat()
    .map((v) => Math.round(v * 1000) / 1000);
}

class PointerHandler {
  private readonly pressed = new Map<number, Point>(); // by pointer
  private travelled = 0; // pixels since the first pointer was pressed
  private hoverTimer = 0;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly painter: MapPainter,
    private readonly mode: Signal<PointerMode>,
    private readonly tip: Signal<TipState | null>,
  ) {
    canvas.addEventListener("pointerdown", this.onDown);
    canvas.addEventListener("pointermove", this.onMove);
    canvas.addEventListener("pointerup", this.onUp);
    canvas.addEventListener("pointercancel", this.onUp);
    canvas.addEventListener("pointerleave", this.onLeave);
    canvas.addEventListener("dblclick", this.onDoubleClick);
  }

  private positionOf(event: MouseEvent): Point {
    const rect = this.canvas.getBoundingClientRect();
    return [event.clientX - rect.left, event.clientY - rect.top];
  }

  private readonly onDown = (event: PointerEvent) => {
    if (event.button !== 0) return;
    const { canvas, painter, pressed } = this;
    canvas.focus({ preventScroll: true });
    canvas.setPointerCapture(event.pointerId);
    pressed.set(event.pointerId, this.positionOf(event));
    this.travelled = 0;
    const draws = this.mode.value === "lasso" || event.shiftKey;
    painter.outline =
      draws && pressed.size === 1 && painter.camera
        ? toMap(painter.camera, painter.scene.size, ...this.positionOf(event))
        : null;
  };

  private readonly onMove = (event: PointerEvent) => {
    const [px, py] = this.positionOf(event);
    const before = this.pressed.get(event.pointerId);
    if (before) this.drag(event.pointerId, before, [px, py]);
    else if (event.pointerType === "mouse") this.hover(px, py);
  };

  private drag(pointer: number, before: Point, now: Point) {
    const { painter } = this;
    if (!painter.camera) return;
    const [dx, dy] = [now[0] - before[0], now[1] - before[1]];
    const distance = Math.abs(dx) + Math.abs(dy);
    const other = [...this.pressed].find(([id]) => id !== pointer)?.[1];
    if (painter.outline) {
      if (distance < 3) return;
      painter.outline.push(...toMap(painter.camera, painter.scene.size, ...now));
      painter.repaint();
    } else if (other && this.pressed.size === 2) {
      const apart = (point: Point) => Math.hypot(point[0] - other[0], point[1] - other[1]);
      const centre: Point = [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2];
      painter.zoom(apart(now) / Math.max(apart(before), 1), ...centre);
    } else if (this.travelled + distance > CLICK) {
      painter.move(panned(painter.camera, dx, dy));
    } else return;
    this.travelled += distance;
    this.pressed.set(pointer, now);
  }

  private hover(px: number, py: number) {
    clearTimeout(this.hoverTimer);
    this.hoverTimer = window.setTimeout(async () => {
      const { painter, tip } = this;
      const property = propertyUnder(painter, px, py);
      if (property >= 0) {
        tip.value = { x: px, y: py, hit: null, property };
        return;
      }
      const row = painter.rowUnder(px, py);
      this.canvas.classList.toggle("pointing", row !== null);
      if (row === null) {
        tip.value = null;
        return;
      }
      const timer = this.hoverTimer;
      const hit = await fetchHit(row).catch(() => undefined);
      if (hit && timer === this.hoverTimer) tip.value = { x: px, y: py, hit, property: -1 };
    }, HOVER_DELAY);
  }

  private readonly onUp = (event: PointerEvent) => {
    if (!this.pressed.delete(event.pointerId)) return;
    const { painter } = this;
    const { outline } = painter;
    painter.outline = null;
    if (outline) {
      this.mode.value = "move";
      if (outline.length >= 6) setLasso(simplified(outline));
      else painter.repaint();
    } else if (this.travelled <= CLICK) this.select(...this.positionOf(event));
  };

  private select(px: number, py: number) {
    const property = propertyUnder(this.painter, px, py);
    const name = this.painter.scene.layer?.names[property];
    if (name !== undefined) query.value = propertyQuery(name);
    else selectedRow.value = this.painter.rowUnder(px, py);
  }

  readonly onWheel = (event: WheelEvent) => {
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === 1 ? 16 : 1); // deltaMode 1: lines
    this.painter.zoom(Math.exp(-pixels * (event.ctrlKey ? 0.01 : 0.0016)), ...this.positionOf(event));
  };

  private readonly onDoubleClick = (event: MouseEvent) => this.painter.zoom(2, ...this.positionOf(event));

  readonly onLeave = () => {
    clearTimeout(this.hoverTimer);
    this.hoverTimer = 0;
    this.tip.value = null;
  };
}

export function usePointer(
  box: { current: HTMLDivElement | null },
  painter: MapPainter,
  mode: Signal<PointerMode>,
  tip: Signal<TipState | null>,
) {
  useEffect(() => {
    const element = box.current;
    const canvas = element?.querySelector<HTMLCanvasElement>("canvas.points");
    if (!element || !canvas) return;
    const handler = new PointerHandler(canvas, painter, mode, tip);
    // on the box, so that the wheel zooms over the labels too
    element.addEventListener("wheel", handler.onWheel, { passive: false });
    return () => {
      handler.onLeave();
      element.removeEventListener("wheel", handler.onWheel);
    };
  }, []);
}
