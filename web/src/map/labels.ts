// Labels without overlap: in order of weight, each takes the first free position around its anchor.
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

// Offsets from the anchor in label sizes: first above it, which keeps the densest spot visible, then on it, below,
// beside it and further away.
export const OFFSETS: [number, number][] = [
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

/** The upper left corner of each label, null where no position is free; the boxes used are added to `taken`. */
export function placeBoxes(
  labels: Label[],
  size: { width: number; height: number },
  taken: Box[],
  { offsets = OFFSETS, gap = 3, keepInside = true } = {},
): ([number, number] | null)[] {
  return labels.map(({ x, y, width, height }) => {
    if (x < 0 || y < 0 || x > size.width || y > size.height) return null;
    for (const [dx, dy] of offsets) {
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
