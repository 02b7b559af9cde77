// The map with its colours and legend, and the list of the texts that it shows.
import type { Signal } from "@preact/signals";
import { elementAt } from "../arrays";
import { fetchLayer } from "../cache";
import { cssColour, isDark } from "../colour";
import type { Summary } from "../contract";
import { toggleDominant, toggleValue } from "../filters";
import { count } from "../format";
import {
  type Colour,
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
  const current = colour.value;
  const choose = (option: string) => {
    const [by, at] = option.split(":");
    colour.value = by === "column" || by === "score" ? { by, at: Number(at) } : { by: "dominant" };
  };
  return (
    <label class="field">
      <span>Colour by</span>
      <select
        value={current.by === "dominant" ? "dominant" : `${current.by}:${current.at}`}
        onChange={(e) => choose(e.currentTarget.value)}
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
        <optgroup label={`Score on a ${nouns.value.factor}`}>
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

/** The title of the legend in a saved picture; empty for a number, whose scale has its own. */
function colourTitle(current: Colour, summary: Summary): string {
  if (current.by === "dominant") return nouns.value.dominant;
  if (current.by === "score") return `Score on a ${nouns.value.factor}`;
  const { kind, name } = elementAt(summary.columns, current.at);
  return kind === "number" ? "" : name;
}

function CodesLegend({ legend }: { legend: Extract<Legend, { kind: "codes" }> }) {
  const { what, entries } = legend;
  const chosen =
    what === "dominant" ? query.value.dominant : query.value.columns?.find((c) => c.column === what)?.values;
  const toggle = (code: number) => (what === "dominant" ? toggleDominant(code) : toggleValue(what, code));
  const noName = what === "dominant" ? `no ${nouns.value.factor}` : "missing";
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
              <bdi>{name || noName}</bdi>
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

function Toggle({ of, label }: { of: Signal<boolean>; label: string }) {
  return (
    <label class="check">
      <input
        type="checkbox"
        checked={of.value}
        onChange={(e) => {
          of.value = e.currentTarget.checked;
        }}
      />{" "}
      {label}
    </label>
  );
}

export function MapView() {
  const summary = getSummary();
  const places = positions.value;
  const current = colour.value;
  const coloured = useFetched(
    async () => (places ? colourPoints(current, summary, places) : null),
    [current, places, summary, isDark.value],
  );
  const layer = useFetched(
    async () => (showLayer.value ? fetchLayer() : null),
    [showLayer.value, revision.value],
  );
  if (!places) return null;
  return (
    <div class="map-view">
      <section class="map-side" aria-label="Map">
        <div class="bar-line">
          <ColourBy />
          <Toggle of={showLabels} label="Labels" />
          <Toggle of={showLayer} label={nouns.value.Properties} />
          <span class="grow" />
          <FiguresMenu
            name="map"
            of=".map-canvas"
            title={summary.goal}
            legend={{ of: ".legend-list, .scale-legend", title: colourTitle(current, summary) }}
          />
        </div>
        {coloured.error && <Failure error={coloured.error} />}
        {layer.error && <Failure error={layer.error} />}
        <MapCanvas positions={places} coloured={coloured.data} layer={showLayer.value ? layer.data : null} />
        {summary.n_shown < summary.n_texts && (
          <p class="hint corner">
            {count(summary.n_shown)} of {count(summary.n_texts)} {nouns.value.texts} are shown.
          </p>
        )}
      </section>
      <aside class="map-list" aria-label={`${nouns.value.Texts} on the map`}>
        {selectedRow.value !== null && <Why row={selectedRow.value} />}
        <div class="list-side" hidden={selectedRow.value !== null}>
          {coloured.data && <LegendBox legend={coloured.data.legend} />}
          <Filters />
          <ResultCount />
          <TextRows />
        </div>
      </aside>
    </div>
  );
}
