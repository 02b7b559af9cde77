// The map itself: points, labels, and what the pointer and the keyboard do on it.
import { effect, useSignal } from "@preact/signals";
import KDBush from "kdbush";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { css, hueName, hueOf } from "../colour";
import type { Hit, Layer } from "../contract";
import { Dot, Icon } from "../parts/basics";
import { useSize } from "../parts/hooks";
import type { Positions } from "../source";
import {
  colour,
  found,
  isFiltered,
  lasso,
  nouns,
  openFactor,
  query,
  rowAt,
  select,
  shortOf,
  showLabels,
  textsOfProperty,
  useSummary,
} from "../state";
import { count } from "../words";
import { type Camera, moved, type Size, toMap, toScreen, whole, zoomed } from "./camera";
import { type Box, place } from "./labels";
import { type Look, Points } from "./points";
import type { Tinted } from "./tints";

interface Props {
  at: Positions;
  tinted: Tinted | null;
  layer: Layer | null;
}

const lookFor = (n: number, camera: Camera, size: Size, filtered: boolean): Look => {
  const closer = Math.max(camera.scale / whole(size).scale, 0.5);
  const base = Math.min(Math.max(170 / Math.sqrt(n), 1.8), 8);
  return {
    diameter: Math.min(base * closer ** 0.45, 16),
    opacity: n > 20_000 && closer < 4 ? 0.6 : 0.88,
    faded: filtered ? (n > 20_000 ? 0.06 : 0.14) : 0,
  };
};

const REST = 160; // ms without a move

function keepPace(pace: { part: number; last: number; rest: number }, n: number, repaint: () => void) {
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
function shuffled(n: number): Uint32Array {
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
function orderOf(at: Positions, mixed: Uint32Array, rows: number[] | null): [Uint32Array, number] {
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

export function MapCanvas({ at, tinted, layer }: Props) {
  const all = useSummary();
  const [box, size] = useSize<HTMLDivElement>();
  const canvas = useRef<HTMLCanvasElement>(null);
  const overlay = useRef<HTMLCanvasElement>(null);
  const labels = useRef<HTMLDivElement>(null);
  const points = useRef<Points | null>(null);
  const camera = useRef<Camera | null>(null);
  const fitted = useRef(true); // nobody moved the camera yet
  const frame = useRef(0);
  // while the camera moves, no more points are drawn than keep the frames short; at rest all of them
  const pace = useRef({ part: 1, last: 0, rest: 0 });
  const drawing = useRef<number[] | null>(null);
  const mode = useSignal<"move" | "lasso">("move");
  const tip = useSignal<{ x: number; y: number; hit: Hit | null; property: number } | null>(null);

  const tree = useMemo(() => {
    const index = new KDBush(at.x.length);
    for (let i = 0; i < at.x.length; i++) index.add(at.x[i], at.y[i]);
    return index.finish();
  }, [at]);
  const mixed = useMemo(() => shuffled(at.x.length), [at]);
  const byRow = useMemo(() => new Map(Array.from(at.row, (row, i) => [row, i])), [at]);
  const visible = useMemo(
    () => all.factors.filter((f) => !f.hidden).sort((a, b) => b.share - a.share),
    [all],
  );

  const current = useRef({ at, layer, size, visible, byRow });
  current.current = { at, layer, size, visible, byRow };

  const paint = () => {
    frame.current = 0;
    const { at, layer, size, visible, byRow } = current.current;
    if (!points.current || !size.width || !size.height) return;
    if (!camera.current || fitted.current) camera.current = whole(size);
    const view = camera.current;
    const look = lookFor(at.x.length, view, size, isFiltered.peek());
    const part = performance.now() < pace.current.rest ? pace.current.part : 1;
    points.current.draw(view, size, layer ? { ...look, opacity: look.opacity * 0.45 } : look, part);
    const taken: Box[] = [];
    if (labels.current) placeLabels(labels.current, visible, view, size, taken);
    if (overlay.current) {
      const chosen = rowAt.peek();
      const spot = chosen === null ? undefined : byRow.get(chosen);
      drawOver(
        overlay.current,
        view,
        size,
        layer,
        taken,
        drawing.current ?? lasso.peek(),
        spot === undefined ? null : [at.x[spot], at.y[spot]],
      );
    }
  };
  const repaint = () => {
    if (!frame.current) frame.current = requestAnimationFrame(paint);
  };

  useEffect(() => {
    if (!canvas.current) return;
    points.current = new Points(canvas.current, repaint);
    return () => {
      cancelAnimationFrame(frame.current);
      frame.current = 0;
    };
  }, []);
  useEffect(() => {
    points.current?.setPlaces(at.x, at.y);
    repaint();
  }, [at]);
  useEffect(() => {
    if (tinted) points.current?.setTints(tinted.tints);
    repaint();
  }, [tinted]);
  useEffect(
    () =>
      effect(() => {
        const { status, rows } = found.value;
        if (isFiltered.value && status === "loading") return;
        points.current?.setOrder(...orderOf(at, mixed, isFiltered.value ? rows : null));
        repaint();
      }),
    [at],
  );
  useEffect(
    () =>
      effect(() => {
        rowAt.value;
        lasso.value;
        showLabels.value;
        repaint();
      }),
    [],
  );
  useEffect(() => {
    const element = box.current;
    element?.addEventListener("drawnow", paint);
    return () => element?.removeEventListener("drawnow", paint);
  }, []);
  useEffect(repaint, [size.width, size.height, layer, visible, tinted]);

  const move = (next: Camera) => {
    camera.current = next;
    keepPace(pace.current, at.x.length, repaint);
    fitted.current = false;
    tip.value = null;
    repaint();
  };
  const zoom = (factor: number, px = size.width / 2, py = size.height / 2) => {
    if (camera.current) move(zoomed(camera.current, size, factor, px, py));
  };
  const reset = () => {
    fitted.current = true;
    repaint();
  };
  const nearest = (px: number, py: number): number => {
    if (!camera.current) return -1;
    const [x, y] = toMap(camera.current, size, px, py);
    const near = tree.within(x, y, 10 / camera.current.scale);
    const rows = isFiltered.peek() ? new Set(found.peek().rows) : null;
    let [best, distance] = [-1, Infinity];
    for (const i of near) {
      const d = (at.x[i] - x) ** 2 + (at.y[i] - y) ** 2;
      if (d < distance && (!rows || rows.has(at.row[i]))) [best, distance] = [i, d];
    }
    return best;
  };

  usePointer(box, { camera, size, mode, drawing, tip, move, zoom, repaint, nearest, at, layer });

  const onKeyDown = (event: KeyboardEvent) => {
    if (!camera.current || event.ctrlKey || event.metaKey || event.altKey) return;
    const acts: Record<string, () => void> = {
      ArrowLeft: () => camera.current && move(moved(camera.current, 60, 0)),
      ArrowRight: () => camera.current && move(moved(camera.current, -60, 0)),
      ArrowUp: () => camera.current && move(moved(camera.current, 0, 60)),
      ArrowDown: () => camera.current && move(moved(camera.current, 0, -60)),
      "+": () => zoom(1.4),
      "=": () => zoom(1.4),
      "-": () => zoom(1 / 1.4),
      "0": reset,
      l: () => {
        mode.value = mode.value === "lasso" ? "move" : "lasso";
      },
    };
    const act = acts[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  };

  return (
    <div class="map-canvas" ref={box}>
      <canvas
        ref={canvas}
        class={mode.value === "lasso" ? "points lassoing" : "points"}
        tabIndex={0}
        role="img"
        aria-label={`Map of ${count(at.x.length)} ${nouns.value.texts}: alike ones lie close together. Arrow keys move, + and − zoom, 0 shows all, L draws an outline. The list beside the map holds the same ${nouns.value.texts}.`}
        onKeyDown={onKeyDown}
      />
      {/* biome-ignore lint/a11y/noAriaHiddenOnFocusable: a canvas without tabindex takes no focus */}
      <canvas ref={overlay} class="overlay" aria-hidden="true" />
      <div class="labels" ref={labels} data-on={showLabels.value}>
        {visible.map((f) => (
          <button
            key={f.index}
            type="button"
            class="map-label"
            tabIndex={-1}
            style={{ "--hue": colour.value.by === "dominant" ? hueName(f.index) : "var(--quiet)" }}
            onClick={() => openFactor(f.index)}
          >
            <bdi>{f.name}</bdi>
          </button>
        ))}
      </div>
      {tip.value && <Tip tip={tip.value} layer={layer} size={size} />}
      <div class="map-tools" role="toolbar" aria-label="Map">
        <button type="button" class="icon-button" aria-label="Zoom in" onClick={() => zoom(1.6)}>
          <Icon name="plus" />
        </button>
        <button type="button" class="icon-button" aria-label="Zoom out" onClick={() => zoom(1 / 1.6)}>
          <Icon name="minus" />
        </button>
        <button type="button" class="icon-button" aria-label="Show all" onClick={reset}>
          <Icon name="whole" />
        </button>
        <button
          type="button"
          class="icon-button"
          aria-label="Draw an outline (L, or Shift and drag)"
          title="Draw an outline (L, or Shift and drag)"
          aria-pressed={mode.value === "lasso"}
          onClick={() => {
            mode.value = mode.value === "lasso" ? "move" : "lasso";
          }}
        >
          <Icon name="lasso" />
        </button>
      </div>
    </div>
  );
}

function Tip({
  tip,
  layer,
  size,
}: {
  tip: { x: number; y: number; hit: Hit | null; property: number };
  layer: Layer | null;
  size: Size;
}) {
  const all = useSummary();
  const left = Math.min(Math.max(tip.x + 14, 8), Math.max(size.width - 308, 8));
  const below = tip.y < size.height / 2;
  const placed = below ? { top: `${tip.y + 14}px` } : { bottom: `${size.height - tip.y + 14}px` };
  const factor = tip.hit ? tip.hit.dominant : (layer?.factor[tip.property] ?? -1);
  return (
    <div class="tip" role="tooltip" style={{ left: `${left}px`, ...placed }}>
      <p class="snippet" dir="auto">
        {tip.hit ? tip.hit.text : layer?.names[tip.property]}
      </p>
      <p class="under">
        <Dot index={factor} />
        <span class="grow">
          <bdi>{all.factors[factor]?.name ?? `no ${nouns.value.factor}`}</bdi>
        </span>
        {tip.hit ? (
          <bdi>{tip.hit.id}</bdi>
        ) : (
          <span>
            {count(layer?.n_texts[tip.property] ?? 0)} {nouns.value.texts}
          </span>
        )}
      </p>
    </div>
  );
}

const sizes = new WeakMap<HTMLElement, Size>();

/** A label that breaks into lines is as wide as its widest line. */
function hug(element: HTMLElement) {
  const words = element.firstElementChild;
  if (!words || element.dataset.hugged === words.textContent) return;
  element.dataset.hugged = words.textContent ?? "";
  element.style.width = "";
  const widest = Math.max(...[...words.getClientRects()].map((rect) => rect.width));
  element.style.width = `${Math.ceil(widest) + 14}px`;
  sizes.set(element, { width: element.offsetWidth, height: element.offsetHeight });
}

function placeLabels(
  root: HTMLElement,
  factors: { x: number; y: number }[],
  camera: Camera,
  size: Size,
  taken: Box[],
) {
  const elements = [...root.children] as HTMLElement[];
  if (root.dataset.on === "false") return;
  // the tools stand in the lower left corner
  taken.push({ left: 0, top: size.height - 52, right: 190, bottom: size.height });
  for (const element of elements) hug(element);
  const wanted = elements.map((element, at) => {
    const [x, y] = toScreen(camera, size, factors[at].x, factors[at].y);
    return { x, y, ...(sizes.get(element) ?? { width: 0, height: 0 }) };
  });
  place(wanted, size, taken).forEach((corner, at) => {
    const { style } = elements[at];
    style.visibility = corner ? "visible" : "hidden";
    if (corner) style.transform = `translate(${Math.round(corner[0])}px, ${Math.round(corner[1])}px)`;
  });
}

function drawOver(
  element: HTMLCanvasElement,
  camera: Camera,
  size: Size,
  layer: Layer | null,
  taken: Box[],
  outline: number[] | null,
  chosen: [number, number] | null,
) {
  const ratio = Math.min(devicePixelRatio || 1, 2);
  const [width, height] = [Math.round(size.width * ratio), Math.round(size.height * ratio)];
  if (element.width !== width || element.height !== height) {
    element.width = width;
    element.height = height;
  }
  const ctx = element.getContext("2d");
  if (!ctx) return;
  const blank = !layer && !(outline && outline.length > 2) && !chosen;
  if (blank && element.dataset.blank === "yes") return;
  element.dataset.blank = blank ? "yes" : "no";
  const style = getComputedStyle(element);
  const colour = (name: string) => style.getPropertyValue(name);
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.clearRect(0, 0, size.width, size.height);
  if (layer) drawLayer(ctx, camera, size, layer, taken, colour);
  if (outline && outline.length > 2) {
    ctx.beginPath();
    for (let i = 0; i < outline.length; i += 2)
      ctx.lineTo(...toScreen(camera, size, outline[i], outline[i + 1]));
    ctx.closePath();
    ctx.fillStyle = colour("--wash");
    ctx.strokeStyle = colour("--link");
    ctx.lineWidth = 1.5;
    ctx.fill();
    ctx.stroke();
  }
  if (chosen) {
    const [x, y] = toScreen(camera, size, ...chosen);
    for (const [radius, name, line] of [
      [9, "--raised", 4],
      [9, "--ink", 2],
    ] as const) {
      ctx.beginPath();
      ctx.arc(x, y, radius, 0, 2 * Math.PI);
      ctx.strokeStyle = colour(name);
      ctx.lineWidth = line;
      ctx.stroke();
    }
  }
}

function drawLayer(
  ctx: CanvasRenderingContext2D,
  camera: Camera,
  size: Size,
  layer: Layer,
  taken: Box[],
  colour: (name: string) => string,
) {
  ctx.font = `11px ${colour("--sans")}`;
  ctx.textBaseline = "top";
  ctx.lineJoin = "round";
  const order = layer.names.map((_, i) => i).sort((a, b) => layer.n_texts[b] - layer.n_texts[a]);
  const inside = order.filter((i) => {
    const [x, y] = toScreen(camera, size, layer.x[i], layer.y[i]);
    return x >= 0 && y >= 0 && x <= size.width && y <= size.height;
  });
  ctx.fillStyle = colour("--ink");
  ctx.globalAlpha = inside.length > 600 ? 0.3 : 0.6;
  for (const i of inside) {
    const [x, y] = toScreen(camera, size, layer.x[i], layer.y[i]);
    ctx.fillRect(x - 1, y - 1, 2, 2);
  }
  ctx.globalAlpha = 1;
  const named = inside.slice(0, 300);
  const wanted = named.map((i) => {
    const [x, y] = toScreen(camera, size, layer.x[i], layer.y[i]);
    const width = ctx.measureText(layer.names[i]).width;
    return { x: x + width / 2 + 7, y, width, height: 13 };
  });
  place(wanted, size, taken, { steps: 1, gap: 2, keepInside: false }).forEach((corner, at) => {
    if (!corner || corner[0] + wanted[at].width > size.width) return;
    const [x, y] = [corner[0] - 7, corner[1] + 6.5];
    ctx.beginPath();
    for (const [dx, dy] of [
      [0, -4],
      [4, 0],
      [0, 4],
      [-4, 0],
    ])
      ctx.lineTo(x + dx, y + dy);
    ctx.closePath();
    ctx.strokeStyle = colour("--paper");
    ctx.lineWidth = 3;
    ctx.stroke();
    ctx.fillStyle = css(hueOf(layer.factor[named[at]]));
    ctx.fill();
    ctx.strokeStyle = colour("--paper");
    ctx.lineWidth = 3;
    ctx.strokeText(layer.names[named[at]], ...corner);
    ctx.fillStyle = colour("--ink");
    ctx.fillText(layer.names[named[at]], ...corner);
  });
}

// ---- the pointer ----

interface Hands {
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

function propertyNear(hands: Hands, px: number, py: number): number {
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
function thinned(outline: number[]): number[] {
  const corners = outline.length / 2;
  const step = Math.max(1, Math.ceil(corners / 60));
  return outline.filter((_, i) => Math.floor(i / 2) % step === 0);
}

function usePointer(box: { current: HTMLDivElement | null }, hands: Hands) {
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
        const property = propertyNear(latest.current, px, py);
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
        const hit = await shortOf(at.row[i]).catch(() => undefined);
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
        move(moved(camera.current, dx, dy));
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
        if (outline.length >= 6) select(thinned(outline).map((v) => Math.round(v * 1000) / 1000));
        else repaint();
        return;
      }
      if (travelled > 4) return;
      const [px, py] = placeOf(event);
      const property = propertyNear(latest.current, px, py);
      if (property >= 0 && layer) query.value = textsOfProperty(layer.names[property]);
      const i = property < 0 ? nearest(px, py) : -1;
      if (i >= 0) rowAt.value = at.row[i];
      else if (property < 0) rowAt.value = null;
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
