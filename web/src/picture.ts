// A part of the page as an SVG: backgrounds, lines, words and canvases, where they are now.
import { elementAt } from "./arrays";
import type { Point } from "./outline";

const NS = "http://www.w3.org/2000/svg";

/** A computed colour as every viewer of SVG knows it: a plain colour and an opacity. */
function parseColour(colour: string): { fill: string; "fill-opacity": number } | null {
  const mixed = /^color\(srgb ([\d.]+) ([\d.]+) ([\d.]+)(?: \/ ([\d.]+))?\)$/.exec(colour);
  const plain = /^rgba?\((\d+), (\d+), (\d+)(?:, ([\d.]+))?\)$/.exec(colour);
  const [, r, g, b, alpha] = mixed ?? plain ?? [];
  if (r === undefined || Number(alpha) === 0) return null;
  const channels = [r, g, b].map((v) => Math.round(Number(v) * (mixed ? 255 : 1)));
  return { fill: `rgb(${channels.join(",")})`, "fill-opacity": Number(alpha ?? 1) };
}

function addElement(parent: Element, name: string, attributes: Record<string, string | number>) {
  const element = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  parent.append(element);
  return element;
}

function drawBox(out: Element, element: Element, style: CSSStyleDeclaration, x: number, y: number) {
  const rect = element.getBoundingClientRect();
  const box = { x: rect.left - x, y: rect.top - y, width: rect.width, height: rect.height };
  const radius = Math.min(Number.parseFloat(style.borderTopLeftRadius) || 0, rect.width / 2, rect.height / 2);
  const round = style.borderTopLeftRadius.endsWith("%") ? rect.width / 2 : radius;
  const ground = parseColour(style.backgroundColor);
  if (ground) addElement(out, "rect", { ...box, rx: round, ...ground });
  const border = Number.parseFloat(style.borderBottomWidth);
  const line = style.borderBottomStyle === "none" ? null : parseColour(style.borderBottomColor);
  if (border > 0 && line)
    addElement(out, "rect", { ...box, y: box.y + box.height - border, height: border, ...line });
}

interface Line {
  text: string;
  top: number;
  height: number;
  left: number;
  right: number;
}

/** The lines of a text node as they are broken now; the first word of a line is not always its leftmost. */
function linesOf(node: Text): Line[] {
  const range = document.createRange();
  const lines: Line[] = [];
  for (const word of node.data.matchAll(/\S+\s*/g)) {
    range.setStart(node, word.index);
    range.setEnd(node, word.index + word[0].trimEnd().length);
    const rects = [...range.getClientRects()];
    if (!rects[0]?.width) continue;
    const { top, height } = rects[0];
    const beside = rects.filter((rect) => Math.abs(rect.top - top) < 2);
    const left = Math.min(...beside.map((rect) => rect.left));
    const right = Math.max(...beside.map((rect) => rect.right));
    const last = lines.at(-1);
    if (last && Math.abs(last.top - top) < 2) {
      last.text += word[0];
      last.left = Math.min(last.left, left);
      last.right = Math.max(last.right, right);
    } else lines.push({ text: word[0], top, height, left, right });
  }
  return lines;
}

function drawText(out: Element, node: Text, style: CSSStyleDeclaration, x: number, y: number) {
  const size = Number.parseFloat(style.fontSize);
  const { direction } = style;
  for (const { text, top, height, left, right } of linesOf(node)) {
    const element = addElement(out, "text", {
      direction,
      x: (direction === "rtl" ? right : left) - x, // where the line starts
      y: top - y + height / 2 + size * 0.35,
      fill: style.color,
      "font-size": size,
      "font-family": style.fontFamily,
      "font-weight": style.fontWeight,
    });
    element.textContent = text.trimEnd();
  }
}

const COPIED_PROPERTIES = [
  "fill",
  "stroke",
  "stroke-width",
  "opacity",
  "font-size",
  "font-family",
  "font-weight",
  "text-anchor",
  "stroke-dasharray",
];

function drawSvg(out: Element, svg: SVGElement, x: number, y: number) {
  const rect = svg.getBoundingClientRect();
  const copy = svg.cloneNode(true) as SVGElement;
  const originals = svg.querySelectorAll("*");
  copy.querySelectorAll("*").forEach((element, i) => {
    const style = getComputedStyle(elementAt(originals, i));
    for (const name of COPIED_PROPERTIES) element.setAttribute(name, style.getPropertyValue(name));
    element.removeAttribute("class");
    element.removeAttribute("style");
  });
  for (const [key, value] of Object.entries({
    x: rect.left - x,
    y: rect.top - y,
    width: rect.width,
    height: rect.height,
  }))
    copy.setAttribute(key, String(value));
  out.append(copy);
}

function walk(out: Element, node: Node, x: number, y: number) {
  if (node instanceof Text) {
    const parent = node.parentElement;
    if (parent && node.data.trim()) drawText(out, node, getComputedStyle(parent), x, y);
    return;
  }
  if (!(node instanceof Element)) return;
  const style = getComputedStyle(node);
  if (
    style.visibility === "hidden" ||
    style.display === "none" ||
    node.matches(".sr, .map-tools, .tip, .menu, .choice")
  )
    return;
  if (node instanceof HTMLCanvasElement) {
    const rect = node.getBoundingClientRect();
    const box = { x: rect.left - x, y: rect.top - y, width: rect.width, height: rect.height };
    addElement(out, "image", { ...box, href: node.toDataURL("image/png") });
    return;
  }
  if (node instanceof SVGSVGElement) return drawSvg(out, node, x, y);
  drawBox(out, node, style, x, y);
  for (const child of node.childNodes) walk(out, child, x, y);
}

/** The right and bottom end of what is drawn: a table may be smaller than its box. */
function extentOf(svg: SVGSVGElement): { right: number; bottom: number } {
  const ends = [...svg.children].slice(1).map((child): Point => {
    const number = (name: string) => Number(child.getAttribute(name) ?? 0);
    const [x, y, size] = [number("x"), number("y"), number("font-size")];
    if (child.tagName !== "text") return [x + number("width"), y + number("height")];
    const starts = child.getAttribute("direction") !== "rtl";
    return [starts ? x + (child.textContent ?? "").length * size * 0.6 : x, y + size * 0.4];
  });
  return {
    right: Math.max(...ends.map(([right]) => right), 120),
    bottom: Math.max(...ends.map(([, bottom]) => bottom), 40),
  };
}

const LEGEND_WIDTH = 300; // pixels, as in the style sheet

/** Draws a legend at a position, whether or not the page shows it now. */
function drawLegend(svg: SVGSVGElement, { of, title }: Legend, x: number, y: number) {
  const legend = document.querySelector<HTMLElement>(of);
  if (!legend) return;
  const box = document.createElement("div");
  box.className = "picture-legend";
  const [heading, copy] = [document.createElement("h4"), legend.cloneNode(true) as HTMLElement];
  heading.textContent = title;
  box.append(heading, copy);
  const originals = legend.querySelectorAll<HTMLElement>("[style]");
  copy.querySelectorAll<HTMLElement>("[style]").forEach((element, i) => {
    element.style.cssText = elementAt(originals, i).style.cssText; // the CSP forbids style attributes
  });
  document.body.append(box);
  const rect = box.getBoundingClientRect();
  walk(svg, box, rect.left - x, rect.top - y);
  box.remove();
}

export interface Legend {
  of: string; // a selector
  title: string;
}
export interface Part {
  of: string; // a selector of elements that are below each other
  title: string;
  legend?: Legend;
}

function drawPart({ of, title, legend }: Part) {
  const elements = [...document.querySelectorAll<HTMLElement>(of)];
  const { left, top } = elementAt(elements, 0).getBoundingClientRect();
  const [margin, head] = [16, title ? 34 : 0];
  const svg = document.createElementNS(NS, "svg");
  const body = getComputedStyle(document.body);
  const paper = addElement(svg, "rect", { fill: body.backgroundColor });
  for (const element of elements) {
    // a WebGL canvas can be read only in the frame in which it was drawn
    element.dispatchEvent(new CustomEvent("drawnow"));
    for (const child of element.childNodes)
      walk(svg, child, left - element.scrollLeft - margin, top - element.scrollTop - margin - head);
  }
  const widest = Math.max(...elements.map((element) => element.scrollWidth)) + margin;
  const right = Math.min(extentOf(svg).right, widest);
  if (legend) drawLegend(svg, legend, right + margin, margin + head);
  const width = Math.ceil(legend ? right + margin + LEGEND_WIDTH : right) + margin;
  const height = Math.ceil(extentOf(svg).bottom) + margin;
  if (title) {
    const style = { "font-size": 15, "font-weight": 600, "font-family": body.fontFamily, fill: body.color };
    addElement(svg, "text", { x: margin, y: margin + 14, ...style }).textContent = title;
  }
  for (const sheet of [svg, paper]) {
    sheet.setAttribute("width", String(width));
    sheet.setAttribute("height", String(height));
  }
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  return { text: new XMLSerializer().serializeToString(svg), width, height };
}

export const toSvg = (part: Part) => new Blob([drawPart(part).text], { type: "image/svg+xml" });

export async function toPng(part: Part): Promise<Blob> {
  const { text, width, height } = drawPart(part);
  const image = new Image();
  const address = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
  try {
    image.src = address;
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = 2 * width;
    canvas.height = 2 * height;
    const ctx = canvas.getContext("2d");
    if (!ctx) throw new Error("This browser cannot create pictures.");
    ctx.drawImage(image, 0, 0, canvas.width, canvas.height);
    const blob = await new Promise<Blob | null>((done) => canvas.toBlob(done, "image/png"));
    if (!blob) throw new Error("The picture is too large for this browser; save it as SVG instead.");
    return blob;
  } finally {
    URL.revokeObjectURL(address);
  }
}
