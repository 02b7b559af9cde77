// The visible part of the unit square: a centre and a number of pixels per unit, the same in both directions.
export interface Camera {
  x: number;
  y: number;
  scale: number;
}
export interface Size {
  width: number;
  height: number;
}

const PAD = 44; // pixels around the points, for the labels at the edge

export const fitAll = ({ width, height }: Size): Camera => ({
  x: 0.5,
  y: 0.5,
  scale: Math.max(Math.min(width, height) - 2 * PAD, 40),
});
export const toScreen = (camera: Camera, size: Size, x: number, y: number): [number, number] => [
  (x - camera.x) * camera.scale + size.width / 2,
  (camera.y - y) * camera.scale + size.height / 2,
];
export const toMap = (camera: Camera, size: Size, px: number, py: number): [number, number] => [
  (px - size.width / 2) / camera.scale + camera.x,
  camera.y - (py - size.height / 2) / camera.scale,
];
/** Zooms by a factor around the screen position (px, py). */
export function zoomed(camera: Camera, size: Size, factor: number, px: number, py: number): Camera {
  const fit = fitAll(size).scale;
  const scale = Math.min(Math.max(camera.scale * factor, fit * 0.5), fit * 400);
  const [x, y] = toMap(camera, size, px, py);
  return {
    scale,
    x: x - (px - size.width / 2) / scale,
    y: y + (py - size.height / 2) / scale,
  };
}
export const panned = (camera: Camera, dx: number, dy: number): Camera => ({
  ...camera,
  x: Math.min(Math.max(camera.x - dx / camera.scale, -0.5), 1.5),
  y: Math.min(Math.max(camera.y + dy / camera.scale, -0.5), 1.5),
});
