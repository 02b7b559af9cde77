// Charts as SVG: a line over periods, and an effect with its interval.
import { scaleLinear } from "d3-scale";
import { line } from "d3-shape";
import { cssColour, diverging, paletteVariable } from "../colour";
import { percent, signed } from "../format";
import { useSize } from "./hooks";

interface ChartProps {
  name: string;
  index: number; // of the factor, which gives the colour
  values: (number | null)[]; // null: unknown
  labels: string[];
  height: number;
  /** The top of the scale, so that small multiples can share one. */
  top?: number;
}

const LEFT = 44; // pixels for the labels of the vertical axis
const BOTTOM = 24;

/** The labels that fit side by side: every nth, counted from the last. */
function visibleLabels(labels: string[], width: number): Set<number> {
  const widest = Math.max(...labels.map((label) => label.length)) * 6.4 + 12;
  const step = Math.max(1, Math.ceil((widest * labels.length) / Math.max(width, 1)));
  const last = labels.length - 1;
  return new Set(labels.map((_, i) => last - i * step).filter((i) => i >= 0));
}

/** A line over periods; it is broken where a value is unknown. */
export function LineChart({ name, index, values, labels, height, top }: ChartProps) {
  const [box, { width }] = useSize<HTMLDivElement>();
  const known = values.filter((value) => value !== null);
  const y = scaleLinear()
    .domain([Math.min(0, ...known), top ?? Math.max(...known, 1e-6)])
    .nice(3)
    .range([height - BOTTOM, 10]);
  const right = Math.max(width - 24, LEFT + 10);
  const x = scaleLinear()
    .domain([0, Math.max(labels.length - 1, 1)])
    .range([LEFT + 8, right]);
  const path = line<number | null>()
    .x((_, i) => x(i))
    .y((value) => y(value ?? 0))
    .defined((value) => value !== null);
  const valueText = (value: number | null) => (value === null ? "none" : percent(value));
  const description = `${name}: ${values.map((value, i) => `${labels[i]} ${valueText(value)}`).join(", ")}`;
  const hue = paletteVariable(index);
  return (
    <div class="chart" ref={box}>
      {width > 0 && (
        <svg
          width={width}
          height={height}
          viewBox={`0 0 ${width} ${height}`}
          role="img"
          aria-label={description}
        >
          {y.ticks(3).map((tick) => (
            <g key={tick}>
              <line class="grid" x1={LEFT} x2={right + 8} y1={y(tick)} y2={y(tick)} />
              <text class="axis" x={LEFT - 6} y={y(tick) + 4} text-anchor="end">
                {percent(tick)}
              </text>
            </g>
          ))}
          <PeriodLabels labels={labels} x={x} y={height - 6} width={right - LEFT} />
          <path d={path(values) ?? ""} fill="none" stroke={hue} stroke-width="2" stroke-linejoin="round" />
          {values.map(
            (value, i) =>
              value !== null && (
                <circle key={labels[i]} cx={x(i)} cy={y(value)} r="3" fill={hue}>
                  <title>{`${labels[i]}: ${percent(value)}`}</title>
                </circle>
              ),
          )}
        </svg>
      )}
    </div>
  );
}

interface PeriodLabelsProps {
  labels: string[];
  x: (index: number) => number;
  y: number;
  width: number;
}
function PeriodLabels({ labels, x, y, width }: PeriodLabelsProps) {
  const visible = visibleLabels(labels, width);
  return labels.map((label, i) => {
    if (!visible.has(i)) return null;
    const isLast = i === labels.length - 1 && labels.length > 1; // must not reach beyond the chart
    return (
      <text
        key={label}
        class="axis"
        x={x(i)}
        y={y}
        text-anchor={isLast ? "end" : "middle"}
        dx={isLast ? 20 : 0}
      >
        {label}
      </text>
    );
  });
}

interface EffectProps {
  row: { effect: number; low: number; high: number };
  span: number; // the scale runs from -span to span
}
/** An effect and its interval. */
export function Effect({ row, span }: EffectProps) {
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
