// Charts as SVG: shares over periods with their intervals, and an effect with its interval.
import { scaleLinear } from "d3-scale";
import { area, line } from "d3-shape";
import { cssColour, diverging, paletteVariable } from "../colour";
import type { Period, PeriodShare } from "../contract";
import { count, isolated, percent, signed } from "../format";
import { nouns } from "../model";
import { useSize } from "./hooks";

type Shares = (PeriodShare | null)[]; // null: no texts

const LEFT = 44; // pixels for the labels of the vertical axis
const BOTTOM = 24;

export const intervalText = ({ low, high }: PeriodShare) => `${percent(low)} to ${percent(high)}`;

/** The top of a scale for the intervals of all series, except in periods with less than half of the usual number of texts. */
export function sharedTop(series: Shares[], periods: Period[]): number {
  const counts = periods.map(({ n }) => n).sort((a, b) => a - b);
  const few = (counts[Math.floor(counts.length / 2)] ?? 0) / 2;
  const highs = series.flatMap((shares) =>
    shares.map((share, at) => (share && (periods[at]?.n ?? 0) >= few ? share.high : 0)),
  );
  return Math.max(...highs, 0.01);
}

/** The labels that fit side by side: every nth, counted from the last, which takes more room as it ends at the edge. */
function visibleLabels(labels: string[], width: number): Set<number> {
  const widest = Math.max(...labels.map((label) => label.length)) * 6.4 * 1.5;
  const step = Math.max(1, Math.ceil((widest * labels.length) / Math.max(width, 1)));
  const last = labels.length - 1;
  return new Set(labels.map((_, i) => last - i * step).filter((i) => i >= 0));
}

interface ChartProps {
  name: string;
  index: number; // of the factor, which gives the colour
  shares: Shares;
  periods: Period[];
  height: number;
  /** Of the scale; what is higher is cut off. */
  top: number;
  onPeriod: (period: number) => void;
}

/** A line over periods in the band of its intervals; both are broken where a period has no texts. */
export function LineChart({ name, index, shares, periods, height, top, onPeriod }: ChartProps) {
  const [box, { width }] = useSize<HTMLDivElement>();
  const y = scaleLinear()
    .domain([0, top])
    .nice(3)
    .range([height - BOTTOM, 10])
    .clamp(true);
  const right = Math.max(width - 24, LEFT + 10);
  const x = scaleLinear()
    .domain([0, Math.max(periods.length - 1, 1)])
    .range([LEFT + 8, right]);
  const path = line<PeriodShare | null>()
    .x((_, i) => x(i))
    .y((share) => y(share?.share ?? 0))
    .defined((share) => share !== null);
  const band = area<PeriodShare | null>()
    .x((_, i) => x(i))
    .y0((share) => y(share?.low ?? 0))
    .y1((share) => y(share?.high ?? 0))
    .defined((share) => share !== null);
  const labels = periods.map((period) => period.name);
  const description = shares.map((share, i) => `${labels[i]} ${share ? percent(share.share) : "none"}`);
  const hue = paletteVariable(index);
  return (
    <div class="chart" ref={box}>
      {width > 0 && (
        <svg
          width={width}
          height={height}
          viewBox={`0 0 ${width} ${height}`}
          role="img"
          aria-label={`${isolated(name)}: ${description.join(", ")}`}
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
          <path class="band" d={band(shares) ?? ""} fill={hue} />
          <path
            class="line"
            d={path(shares) ?? ""}
            fill="none"
            stroke={hue}
            stroke-width="2"
            stroke-linejoin="round"
          />
          {shares.map(
            (share, i) =>
              share && (
                <g key={labels[i]}>
                  {!shares[i - 1] && !shares[i + 1] && (
                    // a band of one period has no width
                    <line
                      class="band"
                      x1={x(i)}
                      x2={x(i)}
                      y1={y(share.low)}
                      y2={y(share.high)}
                      stroke={hue}
                      stroke-width="6"
                    />
                  )}
                  <circle cx={x(i)} cy={y(share.share)} r={periods.length > 14 ? 2 : 3} fill={hue} />
                </g>
              ),
          )}
          <PeriodTargets shares={shares} periods={periods} x={x} height={height} onPeriod={onPeriod} />
        </svg>
      )}
    </div>
  );
}

interface TargetsProps {
  shares: Shares;
  periods: Period[];
  x: (index: number) => number;
  height: number;
  onPeriod: (period: number) => void;
}
/** What the pointer meets: each period from top to bottom. */
function PeriodTargets({ shares, periods, x, height, onPeriod }: TargetsProps) {
  const width = x(1) - x(0);
  const { texts } = nouns.value;
  return periods.map(({ name, n }, i) => {
    const share = shares[i];
    return (
      share && (
        // biome-ignore lint/a11y/noStaticElementInteractions: the table beside the charts has the same as buttons
        <rect
          key={name}
          class="target"
          x={x(i) - width / 2}
          width={width}
          y="0"
          height={height - BOTTOM}
          onClick={() => onPeriod(i)}
        >
          <title>{`${name}: ${percent(share.share)} (${intervalText(share)}), ${count(share.n)} of ${count(n)} ${texts}`}</title>
        </rect>
      )
    );
  });
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
