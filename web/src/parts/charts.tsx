// Charts as SVG: lines over ordered groups, and effects with their intervals.
import { scaleLinear } from "d3-scale";
import { line } from "d3-shape";
import { cssColour, diverging, paletteVariable } from "../colour";
import { percent, signed } from "../format";
import { useSize } from "./hooks";

interface Series {
  name: string;
  index: number;
  values: (number | null)[]; // null: nothing is known there
}
interface LinesProps {
  series: Series[];
  labels: string[];
  height: number;
  /** The top of the scale, so that small multiples share one. */
  top?: number;
  format?: (value: number) => string;
}

/** Which labels fit side by side: every nth, the last one always. */
function fitting(labels: string[], width: number): Set<number> {
  const widest = Math.max(...labels.map((label) => label.length)) * 6.4 + 12;
  const step = Math.max(1, Math.ceil((widest * labels.length) / Math.max(width, 1)));
  const last = labels.length - 1;
  return new Set(labels.map((_, i) => last - i * step).filter((i) => i >= 0));
}

export function Lines({ series, labels, height, top, format = percent }: LinesProps) {
  const [box, { width }] = useSize<HTMLDivElement>();
  const values = series.flatMap((s) => s.values).filter((value) => value !== null);
  const low = Math.min(0, ...values);
  const high = top ?? Math.max(...values, 1e-6);
  const y = scaleLinear()
    .domain([low, high])
    .nice(3)
    .range([height - 24, 10]);
  const ticks = y.ticks(3);
  const left = 44;
  const right = Math.max(width - 24, left + 10);
  const x = scaleLinear()
    .domain([0, Math.max(labels.length - 1, 1)])
    .range([left + 8, right]);
  const shown = fitting(labels, right - left);
  const path = line<number | null>()
    .x((_, at) => x(at))
    .y((value) => y(value ?? 0))
    .defined((value) => value !== null);
  const told = (value: number | null) => (value === null ? "none" : format(value));
  const said = series
    .map((s) => `${s.name}: ${s.values.map((value, at) => `${labels[at]} ${told(value)}`).join(", ")}`)
    .join("; ");
  return (
    <div class="chart" ref={box}>
      {width > 0 && (
        <svg width={width} height={height} viewBox={`0 0 ${width} ${height}`} role="img" aria-label={said}>
          {ticks.map((tick) => (
            <g key={tick}>
              <line class="grid" x1={left} x2={right + 8} y1={y(tick)} y2={y(tick)} />
              <text class="axis" x={left - 6} y={y(tick) + 4} text-anchor="end">
                {format(tick)}
              </text>
            </g>
          ))}
          {labels.map(
            (label, at) =>
              shown.has(at) && (
                <text
                  key={label}
                  class="axis"
                  x={x(at)}
                  y={height - 6}
                  text-anchor={at === labels.length - 1 && labels.length > 1 ? "end" : "middle"}
                  dx={at === labels.length - 1 && labels.length > 1 ? 20 : 0}
                >
                  {label}
                </text>
              ),
          )}
          {series.map((s) => (
            <g key={s.index}>
              <path
                d={path(s.values) ?? ""}
                fill="none"
                stroke={paletteVariable(s.index)}
                stroke-width="2"
                stroke-linejoin="round"
              />
              {s.values.map(
                (value, at) =>
                  value !== null && (
                    <circle key={labels[at]} cx={x(at)} cy={y(value)} r="3" fill={paletteVariable(s.index)}>
                      <title>{`${labels[at]}: ${format(value)}`}</title>
                    </circle>
                  ),
              )}
            </g>
          ))}
        </svg>
      )}
    </div>
  );
}

interface EffectsProps {
  rows: { factor: number; effect: number; low: number; high: number }[];
}
/** One row of an effect and its interval, on a scale shared by all rows. */
export function Effect({ row, span }: { row: EffectsProps["rows"][number]; span: number }) {
  const [width, height] = [220, 22];
  const x = scaleLinear()
    .domain([-span, span])
    .range([8, width - 8])
    .clamp(true);
  const colour = cssColour(diverging(row.effect < 0 ? -0.9 : 0.9));
  return (
    <svg
      class="effect"
      width={width}
      height={height}
      viewBox={`0 0 ${width} ${height}`}
      role="img"
      aria-label={`${signed(row.effect)}, from ${signed(row.low)} to ${signed(row.high)}`}
    >
      <line class="grid" x1={x(0)} x2={x(0)} y1="0" y2={height} />
      <line
        x1={x(row.low)}
        x2={x(row.high)}
        y1={height / 2}
        y2={height / 2}
        stroke={colour}
        stroke-width="2"
      />
      <circle cx={x(row.effect)} cy={height / 2} r="4.5" fill={colour} />
    </svg>
  );
}
