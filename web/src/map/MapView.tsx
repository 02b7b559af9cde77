// The map with its colours, legend and the list of the texts it shows.
import { useEffect, useState } from "preact/hooks";
import { fetchLayer } from "../cache";
import { cssColour, isDark } from "../colour";
import type { Summary } from "../contract";
import { toggleDominant, toggleValue } from "../filters";
import { count } from "../format";
import {
  colour,
  getSummary,
  nouns,
  positions,
  query,
  revision,
  selectedRow,
  showLabels,
  showLayer,
} from "../model";
import { Failure } from "../parts/basics";
import { FiguresMenu } from "../parts/Figure";
import { Filters } from "../parts/Filters";
import { useFetched, useFitsTwoPanes } from "../parts/hooks";
import { ResultCount, TextRows } from "../parts/TextRows";
import { Why } from "../views/Why";
import { MapCanvas } from "./Canvas";
import { colourPoints, type Legend } from "./tints";

function ColourBy() {
  const summary = getSummary();
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
        {summary.columns.length > 0 && (
          <optgroup label="Column">
            {summary.columns.map((c, at) => (
              <option key={c.name} value={`column:${at}`}>
                {c.name}
              </option>
            ))}
          </optgroup>
        )}
        <optgroup label={`Score on one ${nouns.value.factor}`}>
          {summary.factors.map((f) => (
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
function colourTitle(now: typeof colour.value, summary: Summary): string {
  if (now.by === "dominant") return nouns.value.dominant;
  if (now.by === "score") return `Score on one ${nouns.value.factor}`;
  return summary.columns[now.at].kind === "number" ? "" : summary.columns[now.at].name;
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
            <span class="dot" style={{ background: cssColour(tint) }} />
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
          <span key={at} style={{ background: cssColour(step) }} />
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
  const wide = useFitsTwoPanes();
  const title = legend.kind === "codes" ? "Legend: click to filter" : "Legend";
  return (
    <details class="legend" open={wide}>
      <summary>{title}</summary>
      {legend.kind === "codes" ? <CodesLegend legend={legend} /> : <ScaleLegend legend={legend} />}
    </details>
  );
}

export function MapView() {
  const summary = getSummary();
  const at = positions.value;
  const now = colour.value;
  const tints = useFetched(
    async () => (at ? colourPoints(now, summary, at) : null),
    [now, at, summary, isDark.value],
  );
  const [wantsLayer, setWantsLayer] = useState(showLayer.value);
  useEffect(() => setWantsLayer(showLayer.value), [showLayer.value]);
  const layer = useFetched(async () => (wantsLayer ? fetchLayer() : null), [wantsLayer, revision.value]);
  if (!at) return null;
  const sampled = summary.n_shown < summary.n_texts;
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
            title={summary.goal}
            legend={{ of: ".legend-list, .scale-legend", title: colourTitle(now, summary) }}
          />
        </div>
        {tints.error && <Failure error={tints.error} />}
        {layer.error && <Failure error={layer.error} />}
        <MapCanvas at={at} tinted={tints.data} layer={wantsLayer ? layer.data : null} />
        {sampled && (
          <p class="hint corner">
            {count(summary.n_shown)} of {count(summary.n_texts)} {nouns.value.texts} are shown.
          </p>
        )}
      </section>
      <aside class="map-list" aria-label={`${nouns.value.Texts} on the map`}>
        {selectedRow.value !== null && <Why row={selectedRow.value} />}
        <div class="list-side" hidden={selectedRow.value !== null}>
          {tints.data && <LegendBox legend={tints.data.legend} />}
          <Filters />
          <ResultCount />
          <TextRows />
        </div>
      </aside>
    </div>
  );
}
