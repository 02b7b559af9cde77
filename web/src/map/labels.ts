// Labels without overlap: each takes the first free place around its anchor, the weightiest label first.
export interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}
export interface Label {
  x: number; // anchor, pixels
  y: number;
  width: number;
  height: number;
}

// Steps from the anchor in label sizes: above it, so that the densest spot stays in sight, on it, below, aside, further.
export const STEPS: [number, number][] = [
  [0, -0.75],
  [0, 0],
  [0, 0.8],
  [-0.6, -0.4],
  [0.6, -0.4],
  [-0.6, -0.9],
  [0.6, -0.9],
  [-0.6, 0.9],
  [0.6, 0.9],
  [0, -1.7],
  [0, 1.7],
  [-1.1, 0],
  [1.1, 0],
];

const overlap = (a: Box, b: Box) =>
  a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;

/** The places of the labels' upper left corners, null where none is free. `taken` grows by the boxes given out. */
export function placeBoxes(
  wanted: Label[],
  size: { width: number; height: number },
  taken: Box[],
  { steps = STEPS, gap = 3, keepInside = true } = {},
): ([number, number] | null)[] {
  return wanted.map(({ x, y, width, height }) => {
    if (x < 0 || y < 0 || x > size.width || y > size.height) return null;
    for (const [dx, dy] of steps) {
      let left = x - width / 2 + dx * width;
      let top = y - height / 2 + dy * height;
      if (keepInside) {
        left = Math.min(Math.max(left, 4), size.width - width - 4);
        top = Math.min(Math.max(top, 4), size.height - height - 4);
      }
      const box = { left: left - gap, top: top - gap, right: left + width + gap, bottom: top + height + gap };
      if (taken.some((other) => overlap(box, other))) continue;
      taken.push(box);
      return [left, top];
    }
    return null;
  });
}
