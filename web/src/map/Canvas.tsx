// The map itself: its canvases and labels, the toolbar, and the keys that move it.
import { effect, type Signal, useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { paletteVariable } from "../colour";
import type { Factor, Layer } from "../contract";
import { isFiltered } from "../filters";
import { count } from "../format";
import { colour, getSummary, lasso, nouns, selectedRow, showLabels } from "../model";
import { openFactor } from "../navigation";
import { Icon } from "../parts/basics";
import { useSize } from "../parts/hooks";
import { results } from "../results";
import type { Positions } from "../source";
import { type Camera, panned } from "./camera";
import { MapPainter } from "./painter";
import { Placement } from "./placement";
import { type PointerMode, usePointer } from "./pointer";
import { Tip, type TipState } from "./Tip";
import type { ColouredPoints } from "./tints";

interface Props {
  positions: Positions;
  coloured: ColouredPoints | null;
  layer: Layer | null;
}

export function MapCanvas({ positions, coloured, layer }: Props) {
  const summary = getSummary();
  const [box, size] = useSize<HTMLDivElement>();
  const canvas = useRef<HTMLCanvasElement>(null);
  const overlay = useRef<HTMLCanvasElement>(null);
  const labels = useRef<HTMLDivElement>(null);
  const mode = useSignal<PointerMode>("move");
  const tip = useSignal<TipState | null>(null);
  const placement = useMemo(() => new Placement(positions), [positions]);
  const factors = useMemo(
    () => summary.factors.filter((f) => !f.hidden).sort((a, b) => b.share - a.share),
    [summary],
  );
  const scene = { placement, size, layer, factors };
  const hideTip = () => {
    tip.value = null;
  };
  const [painter] = useState(() => new MapPainter(scene, hideTip));
  painter.scene = scene;

  useEffect(() => {
    if (!canvas.current || !overlay.current || !labels.current) return;
    painter.mount({ points: canvas.current, overlay: overlay.current, labels: labels.current });
    return () => painter.unmount();
  }, []);
  useRepainting(painter, coloured, box);
  usePointer(box, painter, mode, tip);

  const onKeyDown = (event: KeyboardEvent) => {
    if (!painter.camera || event.ctrlKey || event.metaKey || event.altKey) return;
    const action = keyAction(event.key, painter, painter.camera, mode);
    if (!action) return;
    event.preventDefault();
    action();
  };
  return (
    <div class="map-canvas" ref={box}>
      <canvas
        ref={canvas}
        class={mode.value === "lasso" ? "points lassoing" : "points"}
        tabIndex={0}
        role="img"
        aria-label={`Map of ${count(placement.size)} ${nouns.value.texts}: similar ones are close together. Arrow keys move the map, + and − zoom, 0 shows everything, and L draws an outline. The list beside the map contains the same ${nouns.value.texts}.`}
        onKeyDown={onKeyDown}
      />
      {/* biome-ignore lint/a11y/noAriaHiddenOnFocusable: a canvas without tabindex takes no focus */}
      <canvas ref={overlay} class="overlay" aria-hidden="true" />
      <div class="labels" ref={labels} data-on={showLabels.value}>
        {factors.map((factor) => (
          <FactorLabel key={factor.index} factor={factor} />
        ))}
      </div>
      {tip.value && <Tip tip={tip.value} layer={layer} size={size} />}
      <Toolbar painter={painter} mode={mode} />
    </div>
  );
}

/** Repaints whenever something that the map shows changes, and at once before a picture is taken of the box. */
function useRepainting(
  painter: MapPainter,
  coloured: ColouredPoints | null,
  box: { current: HTMLElement | null },
) {
  const { placement, size, layer, factors } = painter.scene;
  useEffect(() => painter.updatePlaces(), [placement]);
  useEffect(() => painter.updateTints(coloured?.tints), [coloured]);
  useEffect(
    () =>
      effect(() => {
        const { status, rows } = results.value;
        if (isFiltered.value && status === "loading") return;
        painter.updateOrder(isFiltered.value ? rows : null);
      }),
    [placement],
  );
  useEffect(
    () =>
      effect(() => {
        selectedRow.value;
        lasso.value;
        showLabels.value;
        painter.repaint();
      }),
    [],
  );
  useEffect(() => {
    const element = box.current;
    element?.addEventListener("drawnow", painter.paint);
    return () => element?.removeEventListener("drawnow", painter.paint);
  }, []);
  useEffect(painter.repaint, [size.width, size.height, layer, factors, coloured]);
}

const STEP = 60; // pixels that an arrow key moves the map

function toggleLasso(mode: Signal<PointerMode>) {
  mode.value = mode.value === "lasso" ? "move" : "lasso";
}

function keyAction(key: string, painter: MapPainter, camera: Camera, mode: Signal<PointerMode>) {
  const pan = (dx: number, dy: number) => () => painter.move(panned(camera, dx, dy));
  const actions: Record<string, () => void> = {
    ArrowLeft: pan(STEP, 0),
    ArrowRight: pan(-STEP, 0),
    ArrowUp: pan(0, STEP),
    ArrowDown: pan(0, -STEP),
    "+": () => painter.zoom(1.4),
    "=": () => painter.zoom(1.4),
    "-": () => painter.zoom(1 / 1.4),
    "0": () => painter.reset(),
    l: () => toggleLasso(mode),
  };
  return actions[key];
}

const FactorLabel = ({ factor }: { factor: Factor }) => (
  <button
    type="button"
    class="map-label"
    tabIndex={-1}
    style={{ "--hue": colour.value.by === "dominant" ? paletteVariable(factor.index) : "var(--quiet)" }}
    onClick={() => openFactor(factor.index)}
  >
    <bdi>{factor.name}</bdi>
  </button>
);

function Toolbar({ painter, mode }: { painter: MapPainter; mode: Signal<PointerMode> }) {
  const outline = "Draw an outline (L, or Shift and drag)";
  return (
    <div class="map-tools" role="toolbar" aria-label="Map">
      <button type="button" class="icon-button" aria-label="Zoom in" onClick={() => painter.zoom(1.6)}>
        <Icon name="plus" />
      </button>
      <button type="button" class="icon-button" aria-label="Zoom out" onClick={() => painter.zoom(1 / 1.6)}>
        <Icon name="minus" />
      </button>
      <button type="button" class="icon-button" aria-label="Show all" onClick={() => painter.reset()}>
        <Icon name="whole" />
      </button>
      <button
        type="button"
        class="icon-button"
        aria-label={outline}
        title={outline}
        aria-pressed={mode.value === "lasso"}
        onClick={() => toggleLasso(mode)}
      >
        <Icon name="lasso" />
      </button>
    </div>
  );
}
