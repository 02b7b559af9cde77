// What is drawn over the points: labels of factors, properties, the outline, and the ring around the selected text.
import { elementAt } from "../arrays";
import { cssColour, paletteColour } from "../colour";
import type { Layer } from "../contract";
import { cornersOf, type Point } from "../outline";
import { type Camera, type Size, toScreen } from "./camera";
import { type Box, OFFSETS, placeBoxes } from "./labels";

const sizes = new WeakMap<HTMLElement, Size>();

/** Makes a label that breaks into lines as wide as its widest line. */
function shrinkToLines(element: HTMLElement) {
  const words = element.firstElementChild;
  if (!words || element.dataset.shrunk === words.textContent) return;
  element.dataset.shrunk = words.textContent ?? "";
  element.style.width = "";
  const widest = Math.max(...[...words.getClientRects()].map((rect) => rect.width));
  element.style.width = `${Math.ceil(widest) + 14}px`;
  sizes.set(element, { width: element.offsetWidth, height: element.offsetHeight });
}

export function positionLabels(
  root: HTMLElement,
  factors: { x: number; y: number }[],
  camera: Camera,
  size: Size,
  taken: Box[],
) {
  const elements = [...root.children] as HTMLElement[];
  if (root.dataset.on === "false") return;
  // the toolbar is in the lower left corner
  taken.push({ left: 0, top: size.height - 52, right: 190, bottom: size.height });
  for (const element of elements) shrinkToLines(element);
  const labels = elements.map((element, i) => {
    const factor = elementAt(factors, i);
    const [x, y] = toScreen(camera, size, factor.x, factor.y);
    return { x, y, ...(sizes.get(element) ?? { width: 0, height: 0 }) };
  });
  // if there are many labels, each stays close to its anchor or is hidden until the reader zooms in
  const offsets = factors.length > 25 ? OFFSETS.slice(0, 5) : OFFSETS;
  placeBoxes(labels, size, taken, { offsets }).forEach((corner, i) => {
    const { style } = elementAt(elements, i);
    style.visibility = corner ? "visible" : "hidden";
    if (corner) style.transform = `translate(${Math.round(corner[0])}px, ${Math.round(corner[1])}px)`;
  });
}

export interface Overlay {
  layer: Layer | null;
  taken: Box[]; // where the labels of the layer may not be
  outline: number[] | null;
  selected: Point | null;
}

export function drawOverlay(canvas: HTMLCanvasElement, camera: Camera, size: Size, overlay: Overlay) {
  const { layer, taken, outline, selected } = overlay;
  const ratio = Math.min(devicePixelRatio || 1, 2);
  const [width, height] = [Math.round(size.width * ratio), Math.round(size.height * ratio)];
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  const ctx = canvas.getContext("2d");
  if (!ctx) return;
  const isBlank = !layer && !(outline && outline.length > 2) && !selected;
  if (isBlank && canvas.dataset.blank === "yes") return;
  canvas.dataset.blank = isBlank ? "yes" : "no";
  const style = getComputedStyle(canvas);
  const colour = (name: string) => style.getPropertyValue(name);
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.clearRect(0, 0, size.width, size.height);
  if (layer) drawLayer(ctx, camera, size, layer, taken, colour);
  if (outline && outline.length > 2) {
    const corners = cornersOf(outline).map(([x, y]) => toScreen(camera, size, x, y));
    drawOutline(ctx, corners, colour);
  }
  if (selected) drawRing(ctx, toScreen(camera, size, ...selected), colour);
}

type Colours = (name: string) => string;

function drawOutline(ctx: CanvasRenderingContext2D, corners: Point[], colour: Colours) {
  ctx.beginPath();
  for (const corner of corners) ctx.lineTo(...corner);
  ctx.closePath();
  ctx.fillStyle = colour("--wash");
  ctx.strokeStyle = colour("--link");
  ctx.lineWidth = 1.5;
  ctx.fill();
  ctx.stroke();
}

function drawRing(ctx: CanvasRenderingContext2D, [x, y]: Point, colour: Colours) {
  for (const [name, width] of [
    ["--raised", 4],
    ["--ink", 2],
  ] as const) {
    ctx.beginPath();
    ctx.arc(x, y, 9, 0, 2 * Math.PI);
    ctx.strokeStyle = colour(name);
    ctx.lineWidth = width;
    ctx.stroke();
  }
}

const MAX_NAMED = 300; // properties with a label

function drawLayer(
  ctx: CanvasRenderingContext2D,
  camera: Camera,
  size: Size,
  layer: Layer,
  taken: Box[],
  colour: Colours,
) {
  ctx.font = `11px ${colour("--sans")}`;
  ctx.textBaseline = "top";
  ctx.lineJoin = "round";
  const visible = layer.names
    .map((name, i) => {
      const [x, y] = toScreen(camera, size, elementAt(layer.x, i), elementAt(layer.y, i));
      return { name, x, y, factor: elementAt(layer.factor, i), nTexts: elementAt(layer.n_texts, i) };
    })
    .filter(({ x, y }) => x >= 0 && y >= 0 && x <= size.width && y <= size.height)
    .sort((a, b) => b.nTexts - a.nTexts);
  ctx.fillStyle = colour("--ink");
  ctx.globalAlpha = visible.length > 600 ? 0.3 : 0.6;
  for (const { x, y } of visible) ctx.fillRect(x - 1, y - 1, 2, 2);
  ctx.globalAlpha = 1;
  const named = visible.slice(0, MAX_NAMED).map((property) => {
    const { width } = ctx.measureText(property.name);
    return { ...property, x: property.x + width / 2 + 7, width, height: 13 };
  });
  const corners = placeBoxes(named, size, taken, { offsets: [[0, 0]], gap: 2, keepInside: false });
  corners.forEach((corner, i) => {
    const { name, factor, width } = elementAt(named, i);
    if (corner && corner[0] + width <= size.width)
      drawProperty(ctx, name, corner, cssColour(paletteColour(factor)), colour);
  });
}

/** A diamond in the colour of the property's factor, and its name beside it. */
function drawProperty(
  ctx: CanvasRenderingContext2D,
  name: string,
  corner: Point,
  fill: string,
  colour: Colours,
) {
  const [x, y] = [corner[0] - 7, corner[1] + 6.5];
  ctx.beginPath();
  ctx.moveTo(x, y - 4);
  ctx.lineTo(x + 4, y);
  ctx.lineTo(x, y + 4);
  ctx.lineTo(x - 4, y);
  ctx.closePath();
  ctx.strokeStyle = colour("--paper");
  ctx.lineWidth = 3;
  ctx.stroke();
  ctx.fillStyle = fill;
  ctx.fill();
  ctx.strokeText(name, ...corner);
  ctx.fillStyle = colour("--ink");
  ctx.fillText(name, ...corner);
}
