// A table whose cells are coloured by a number; the number stands in the cell, so that colour is never alone.
import type { ComponentChildren } from "preact";
import { contrastingInk, cssColour, diverging, isDark, sequential } from "../colour";

export interface HeatRow {
  key: string | number;
  head: ComponentChildren;
  /** -1 … 1, what the colour says; null: there is nothing to say, and nothing to open. */
  shades: (number | null)[];
  texts: string[];
  titles: string[];
  after?: ComponentChildren[];
  strong?: number[];
}
interface Props {
  label: string;
  corner: string;
  columns: ComponentChildren[];
  after?: ComponentChildren[];
  rows: HeatRow[];
  /** Shades run over 0 … 1 only. */
  plain?: boolean;
  onCell?: (row: number, column: number) => void;
}

export function Heat({ label, corner, columns, after = [], rows, plain = false, onCell }: Props) {
  isDark.value;
  return (
    <table class="heat" aria-label={label}>
      <thead>
        <tr>
          <th scope="col" class="heat-corner">
            {corner}
          </th>
          {columns.map((column, at) => (
            <th scope="col" key={at}>
              {column}
            </th>
          ))}
          {after.map((column, at) => (
            <th scope="col" key={`after ${at}`} class="heat-after">
              {column}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row, r) => (
          <tr key={row.key}>
            <th scope="row">{row.head}</th>
            {row.texts.map((text, c) => {
              const value = row.shades[c];
              const shade = value === null ? null : plain ? sequential(value) : diverging(value);
              const look = shade ? { background: cssColour(shade), color: contrastingInk(shade) } : {};
              return (
                <td
                  key={c}
                  style={look}
                  title={row.titles[c]}
                  class={row.strong?.includes(c) ? "strong" : ""}
                >
                  {onCell && shade ? (
                    <button type="button" onClick={() => onCell(r, c)}>
                      {text}
                    </button>
                  ) : (
                    text
                  )}
                </td>
              );
            })}
            {row.after?.map((cell, at) => (
              <td key={`after ${at}`} class="heat-after number">
                {cell}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function HeatScale({ low, high, plain = false }: { low: string; high: string; plain?: boolean }) {
  isDark.value;
  const steps = Array.from({ length: 15 }, (_, i) => (plain ? sequential(i / 14) : diverging(i / 7 - 1)));
  return (
    <p class="heat-scale">
      <span>{low}</span>
      <span class="scale-steps" aria-hidden="true">
        {steps.map((step, at) => (
          <span key={at} style={{ background: cssColour(step) }} />
        ))}
      </span>
      <span>{high}</span>
    </p>
  );
}
