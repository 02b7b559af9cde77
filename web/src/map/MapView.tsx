// The map with its colours, legend and the list of the texts it shows.
import { useEffect, useState } from "preact/hooks";
import { css, dark } from "../colour";
import type { Summary } from "../contract";
import { Failed } from "../parts/basics";
import { FiguresMenu } from "../parts/Figure";
import { Filters } from "../parts/Filters";
import { useFetched, useRoomy } from "../parts/hooks";
import { Counted, TextRows } from "../parts/TextRows";
import {
  colour,
  layerOf,
  nouns,
  positions,
  query,
  rowAt,
  showLabels,
  showLayer,
  toggleDominant,
  toggleValue,
  useSummary,
  version,
} from "../state";
import { Why } from "../views/Why";
import { count } from "../words";
import { MapCanvas } from "./Canvas";
import { type Legend, tinted } from "./tints";

function ColourBy() {
  const all = useSummary();
  const now = colour.value;
  const set = (text: string) => {
    const [by, at] = text.split(":");
    colour.value = by === "column" || by === "score" ? { by, at: Number(at) } : { by: "dominant" };
  };
  return (
    <label class="field">
      <span>Colour by</span>
      <select
        value={now.by === "dominant" ? "dominant" : `${now.by}:${now.at}`}
        onChange={(e) => set(e.currentTarget.value)}
      >
        <option value="dominant">{nouns.value.dominant}</option>
        {all.columns.length > 0 && (
          <optgroup label="Column">
            {all.columns.map((c, at) => (
              <option key={c.name} value={`column:${at}`}>
                {c.name}
              </option>
            ))}
          </optgroup>
        )}
        <optgroup label={`Score on one ${nouns.value.factor}`}>
          {all.factors.map((f) => (
            <option key={f.index} value={`score:${f.index}`}>
              {f.name}
            </option>
          ))}
        </optgroup>
      </select>
    </label>
  );
}

/** What the colours say; a scale says it itself. */
function shadeName(now: typeof colour.value, all: Summary): string {
  if (now.by === "dominant") return nouns.value.dominant;
  if (now.by === "score") return `Score on one ${nouns.value.factor}`;
  return all.columns[now.at].kind === "number" ? "" : all.columns[now.at].name;
}

function CodesLegend({ legend }: { legend: Extract<Legend, { kind: "codes" }> }) {
  const { what, entries } = legend;
  const chosen =
    what === "dominant" ? query.value.dominant : query.value.columns?.find((c) => c.column === what)?.values;
  const toggle = (code: number) => (what === "dominant" ? toggleDominant(code) : toggleValue(what, code));
  const none = what === "dominant" ? `no ${nouns.value.factor}` : "missing";
  return (
    <ul class="legend-list" aria-label="Legend">
      {entries.map(({ code, name, n, tint }) => (
        <li key={code}>
          <button
            type="button"
            class={chosen && !chosen.includes(code) ? "legend-entry off" : "legend-entry"}
            aria-pressed={chosen?.includes(code) ?? false}
            onClick={() => toggle(code)}
          >
            <span class="dot" style={{ background: css(tint) }} />
            <span class="grow">
              <bdi>{name || none}</bdi>
            </span>
            <span class="number">{count(n)}</span>
          </button>
        </li>
      ))}
    </ul>
  );
}

function ScaleLegend({ legend }: { legend: Extract<Legend, { kind: "scale" }> }) {
  return (
    <div class="scale-legend">
      <p>
        <bdi>{legend.title}</bdi>
      </p>
      <div class="scale-steps" aria-hidden="true">
        {legend.steps.map((step, at) => (
          <span key={at} style={{ background: css(step) }} />
        ))}
      </div>
      <p class="scale-ends number">
        <span>{legend.low}</span>
        <span>{legend.high}</span>
      </p>
    </div>
  );
}

function LegendBox({ legend }: { legend: Legend }) {
  const wide = useRoomy();
  const title = legend.kind === "codes" ? "Legend: click to filter" : "Legend";
  return (
    <details class="legend" open={wide}>
      <summary>{title}</summary>
      {legend.kind === "codes" ? <CodesLegend legend={legend} /> : <ScaleLegend legend={legend} />}
    </details>
  );
}

export function MapView() {
  const all = useSummary();
  const at = positions.value;
  const now = colour.value;
  const tints = useFetched(async () => (at ? tinted(now, all, at) : null), [now, at, all, dark.value]);
  const [wantsLayer, setWantsLayer] = useState(showLayer.value);
  useEffect(() => setWantsLayer(showLayer.value), [showLayer.value]);
  const layer = useFetched(async () => (wantsLayer ? layerOf() : null), [wantsLayer, version.value]);
  if (!at) return null;
  const sampled = all.n_shown < all.n_texts;
  return (
    <div class="map-view">
      <section class="map-side" aria-label="Map">
        <div class="bar-line">
          <ColourBy />
          <label class="check">
            <input
              type="checkbox"
              checked={showLabels.value}
              onChange={(e) => {
                showLabels.value = e.currentTarget.checked;
              }}
            />{" "}
            Labels
          </label>
          <label class="check">
            <input
              type="checkbox"
              checked={showLayer.value}
              onChange={(e) => {
                showLayer.value = e.currentTarget.checked;
              }}
            />{" "}
            {nouns.value.Properties}
          </label>
          <span class="grow" />
          <FiguresMenu
            name="map"
            of=".map-canvas"
            title={all.goal}
            legend={{ of: ".legend-list, .scale-legend", title: shadeName(now, all) }}
          />
        </div>
        {tints.error && <Failed error={tints.error} />}
        {layer.error && <Failed error={layer.error} />}
        <MapCanvas at={at} tinted={tints.data} layer={wantsLayer ? layer.data : null} />
        {sampled && (
          <p class="hint corner">
            {count(all.n_shown)} of {count(all.n_texts)} {nouns.value.texts} are shown.
          </p>
        )}
      </section>
      <aside class="map-list" aria-label={`${nouns.value.Texts} on the map`}>
        {rowAt.value !== null && <Why row={rowAt.value} />}
        <div class="list-side" hidden={rowAt.value !== null}>
          {tints.data && <LegendBox legend={tints.data.legend} />}
          <Filters />
          <Counted />
          <TextRows />
        </div>
      </aside>
    </div>
  );
}
