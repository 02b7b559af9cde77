// The tooltip of the map: a text, or a property of the layer, under the pointer.
import type { Hit, Layer } from "../contract";
import { count } from "../format";
import { getSummary, nouns } from "../model";
import { Dot } from "../parts/basics";
import type { Size } from "./camera";

/** What the tooltip shows and where: a text, or else the property with that index in the layer. */
export interface TipState {
  x: number;
  y: number;
  hit: Hit | null;
  property: number;
}

const WIDTH = 300; // pixels, as in the style sheet
const GAP = 14;

export function Tip({ tip, layer, size }: { tip: TipState; layer: Layer | null; size: Size }) {
  const { factors } = getSummary();
  const left = Math.min(Math.max(tip.x + GAP, 8), Math.max(size.width - WIDTH - 8, 8));
  const below = tip.y < size.height / 2;
  const vertical = below ? { top: `${tip.y + GAP}px` } : { bottom: `${size.height - tip.y + GAP}px` };
  const factor = tip.hit ? tip.hit.dominant : (layer?.factor[tip.property] ?? -1);
  return (
    <div class="tip" role="tooltip" style={{ left: `${left}px`, ...vertical }}>
      <p class="snippet" dir="auto">
        {tip.hit ? tip.hit.text : layer?.names[tip.property]}
      </p>
      <p class="under">
        <Dot index={factor} />
        <span class="grow">
          <bdi>{factors[factor]?.name ?? `no ${nouns.value.factor}`}</bdi>
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
