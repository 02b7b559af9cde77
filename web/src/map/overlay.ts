// What is drawn over the points: labels of factors, properties, the outline, the ring around the chosen text.
import { cssColour, paletteColour } from "../colour";
import type { Layer } from "../contract";
import { type Camera, type Size, toScreen } from "./camera";
import { type Box, placeBoxes, STEPS } from "./labels";

const sizes = new WeakMap<HTMLElement, Size>();

/** A label that breaks into lines is as wide as its widest line. */
function shrinkToLines(element: HTMLElement) {
  const words = element.firstElementChild;
  if (!words || element.dataset.hugged === words.textContent) return;
  element.dataset.hugged = words.textContent ?? "";
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
  // the tools stand in the lower left corner
  taken.push({ left: 0, top: size.height - 52, right: 190, bottom: size.height });
  for (const element of elements) shrinkToLines(element);
  const wanted = elements.map((element, at) => {
    const [x, y] = toScreen(camera, size, factors[at].x, factors[at].y);
    return { x, y, ...(sizes.get(element) ?? { width: 0, height: 0 }) };
  });
  // of many labels each stays close to its place or waits for a closer look
  const steps = factors.length > 25 ? STEPS.slice(0, 5) : STEPS;
  placeBoxes(wanted, size, taken, { steps }).forEach((corner, at) => {
    const { style } = elements[at];
    style.visibility = corner ? "visible" : "hidden";
    if (corner) style.transform = `translate(${Math.round(corner[0])}px, ${Math.round(corner[1])}px)`;
  });
}

export function drawOverlay(
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
  placeBoxes(wanted, size, taken, { steps: [[0, 0]], gap: 2, keepInside: false }).forEach((corner, at) => {
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
    ctx.fillStyle = cssColour(paletteColour(layer.factor[named[at]]));
    ctx.fill();
    ctx.strokeStyle = colour("--paper");
    ctx.lineWidth = 3;
    ctx.strokeText(layer.names[named[at]], ...corner);
    ctx.fillStyle = colour("--ink");
    ctx.fillText(layer.names[named[at]], ...corner);
  });
}
