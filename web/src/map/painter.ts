// Paints the map: its points, the labels and the overlay, as seen by a camera that the reader moves.
import type { Factor, Layer } from "../contract";
import { isFiltered } from "../filters";
import { lasso, selectedRow } from "../model";
import { results } from "../results";
import { type Camera, fitAll, type Size, toMap, zoomed } from "./camera";
import { adaptDetail, drawingOrder, pointStyle } from "./drawing";
import type { Box } from "./labels";
import { drawOverlay, positionLabels } from "./overlay";
import type { Placement } from "./placement";
import { Points } from "./points";

const REACH = 10; // pixels between the pointer and a point that it hits
const UNDER_LAYER = 0.45; // opacity of the points while the properties are drawn over them

export interface Surfaces {
  points: HTMLCanvasElement;
  overlay: HTMLCanvasElement;
  labels: HTMLElement;
}
export interface Scene {
  placement: Placement;
  size: Size;
  layer: Layer | null;
  factors: Factor[]; // those with a label, the weightiest first
}

export class MapPainter {
  camera: Camera | null = null;
  /** The outline that is being drawn. */
  outline: number[] | null = null;
  private surfaces: Surfaces | null = null;
  private points: Points | null = null;
  private isFitted = true; // until the reader moves the camera
  private frame = 0;
  // while the camera moves, only as many points are drawn as keep the frames short; at rest all of them
  private readonly detail = { part: 1, last: 0, rest: 0 };

  constructor(
    public scene: Scene,
    private readonly onMove: () => void,
  ) {}

  mount(surfaces: Surfaces) {
    this.surfaces = surfaces;
    this.points = new Points(surfaces.points, this.repaint);
  }

  unmount() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
  }

  readonly repaint = () => {
    if (!this.frame) this.frame = requestAnimationFrame(this.paint);
  };

  readonly paint = () => {
    this.frame = 0;
    const { placement, layer, size, factors } = this.scene;
    if (!this.surfaces || !this.points || !size.width || !size.height) return;
    if (!this.camera || this.isFitted) this.camera = fitAll(size);
    const { camera } = this;
    const style = pointStyle(placement.size, camera, size, isFiltered.peek());
    if (layer) style.opacity *= UNDER_LAYER;
    this.points.draw(camera, size, style, performance.now() < this.detail.rest ? this.detail.part : 1);
    const taken: Box[] = [];
    positionLabels(this.surfaces.labels, factors, camera, size, taken);
    const row = selectedRow.peek();
    const selected = row === null ? null : placement.pointOf(row);
    const outline = this.outline ?? lasso.peek();
    drawOverlay(this.surfaces.overlay, camera, size, { layer, taken, outline, selected });
  };

  updatePlaces() {
    const { x, y } = this.scene.placement.positions;
    this.points?.setPlaces(x, y);
    this.repaint();
  }

  updateTints(tints: Uint8Array | undefined) {
    if (tints) this.points?.setTints(tints);
    this.repaint();
  }

  /** Draws the texts that match the query last and the others faded. */
  updateOrder(rows: number[] | null) {
    this.points?.setOrder(...drawingOrder(this.scene.placement, rows));
    this.repaint();
  }

  move(camera: Camera) {
    this.camera = camera;
    this.isFitted = false;
    adaptDetail(this.detail, this.scene.placement.size, this.repaint);
    this.onMove();
    this.repaint();
  }

  /** Zooms around a point of the screen, by default its centre. */
  zoom(factor: number, px = this.scene.size.width / 2, py = this.scene.size.height / 2) {
    if (this.camera) this.move(zoomed(this.camera, this.scene.size, factor, px, py));
  }

  reset() {
    this.isFitted = true;
    this.repaint();
  }

  /** The row of the text under the pointer. */
  rowUnder(px: number, py: number): number | null {
    if (!this.camera) return null;
    const [x, y] = toMap(this.camera, this.scene.size, px, py);
    const rows = isFiltered.peek() ? new Set(results.peek().rows) : null;
    return this.scene.placement.nearest(x, y, REACH / this.camera.scale, rows);
  }
}
