// Outlines drawn on the map: polygons as a flat list of coordinates, x0 y0 x1 y1 …

export type Point = [x: number, y: number];

export function cornersOf(outline: number[]): Point[] {
  const corners: Point[] = [];
  for (let i = 0; i < outline.length; i += 2) {
    const [x, y] = [outline[i], outline[i + 1]];
    if (x !== undefined && y !== undefined) corners.push([x, y]);
  }
  return corners;
}

/** Whether a point lies inside a polygon, by the even–odd rule. */
export function isInside(corners: Point[], x: number, y: number): boolean {
  let inside = false;
  let previous = corners.at(-1);
  for (const corner of corners) {
    if (!previous) break;
    const [xi, yi] = corner;
    const [xj, yj] = previous;
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) inside = !inside;
    previous = corner;
  }
  return inside;
}
