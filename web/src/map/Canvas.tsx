// The map itself: points, labels, and what the pointer and the keyboard do on it.
import { effect, useSignal } from "@preact/signals";
import KDBush from "kdbush";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { paletteVariable } from "../colour";
import type { Hit, Layer } from "../contract";
import { isFiltered } from "../filters";
import { count } from "../format";
import { colour, getSummary, lasso, nouns, selectedRow, showLabels } from "../model";
import { openFactor } from "../navigation";
import { Dot, Icon } from "../parts/basics";
import { useSize } from "../parts/hooks";
import { results } from "../results";
import type { Positions } from "../source";
import { type Camera, fitAll, panned, type Size, toMap, zoomed } from "./camera";
import { adaptDetail, drawingOrder, pointStyle, shuffled } from "./drawing";
import type { Box } from "./labels";
import { drawOverlay, positionLabels } from "./overlay";
import { usePointer } from "./pointer";
import { Points } from "./points";
import type { ColouredPoints } from "./tints";

interface Props {
  at: Positions;
  tinted: ColouredPoints | null;
  layer: Layer | null;
}

export function MapCanvas({ at, tinted, layer }: Props) {
  const summary = getSummary();
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
    () => summary.factors.filter((f) => !f.hidden).sort((a, b) => b.share - a.share),
    [summary],
  );

  const current = useRef({ at, layer, size, visible, byRow });
  current.current = { at, layer, size, visible, byRow };

  const paint = () => {
    frame.current = 0;
    const { at, layer, size, visible, byRow } = current.current;
    if (!points.current || !size.width || !size.height) return;
    if (!camera.current || fitted.current) camera.current = fitAll(size);
    const view = camera.current;
    const look = pointStyle(at.x.length, view, size, isFiltered.peek());
    const part = performance.now() < pace.current.rest ? pace.current.part : 1;
    points.current.draw(view, size, layer ? { ...look, opacity: look.opacity * 0.45 } : look, part);
    const taken: Box[] = [];
    if (labels.current) positionLabels(labels.current, visible, view, size, taken);
    if (overlay.current) {
      const chosen = selectedRow.peek();
      const spot = chosen === null ? undefined : byRow.get(chosen);
      drawOverlay(
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
        const { status, rows } = results.value;
        if (isFiltered.value && status === "loading") return;
        points.current?.setOrder(...drawingOrder(at, mixed, isFiltered.value ? rows : null));
        repaint();
      }),
    [at],
  );
  useEffect(
    () =>
      effect(() => {
        selectedRow.value;
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
    adaptDetail(pace.current, at.x.length, repaint);
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
    const rows = isFiltered.peek() ? new Set(results.peek().rows) : null;
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
      ArrowLeft: () => camera.current && move(panned(camera.current, 60, 0)),
      ArrowRight: () => camera.current && move(panned(camera.current, -60, 0)),
      ArrowUp: () => camera.current && move(panned(camera.current, 0, 60)),
      ArrowDown: () => camera.current && move(panned(camera.current, 0, -60)),
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
            style={{ "--hue": colour.value.by === "dominant" ? paletteVariable(f.index) : "var(--quiet)" }}
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
  const summary = getSummary();
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
          <bdi>{summary.factors[factor]?.name ?? `no ${nouns.value.factor}`}</bdi>
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
