// A table whose cells are coloured by a number, which is also written in the cell: colour alone says nothing.
import type { ComponentChildren } from "preact";
import { contrastingInk, cssColour, diverging, isDark, sequential } from "../colour";

export interface HeatCell {
  /** -1 … 1, shown by the colour; null: no colour, and nothing to open. */
  shade: number | null;
  text: string;
  title: string;
  isOutlined?: boolean;
}
export interface HeatRow {
  key: string | number;
  head: ComponentChildren;
  cells: HeatCell[];
  after?: ComponentChildren[];
}
interface Props {
  label: string;
  corner: string;
  columns: ComponentChildren[];
  after?: ComponentChildren[];
  rows: HeatRow[];
  /** For shades of 0 … 1. */
  isSequential?: boolean;
  onCell?: (row: HeatRow, column: number) => void;
}

const shadeColour = (shade: number, isSequential: boolean) =>
  isSequential ? sequential(shade) : diverging(shade);

export function Heat({ label, corner, columns, after = [], rows, isSequential = false, onCell }: Props) {
  isDark.value; // the colours depend on the theme
  return (
    <table class="heat" aria-label={label}>
      <thead>
        <tr>
          <th scope="col" class="heat-corner">
            {corner}
          </th>
          {columns.map((column, i) => (
            <th scope="col" key={i}>
              {column}
            </th>
          ))}
          {after.map((column, i) => (
            <th scope="col" key={`after ${i}`} class="heat-after">
              {column}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row.key}>
            <th scope="row">{row.head}</th>
            {row.cells.map((cell, column) => (
              <Cell
                key={column}
                cell={cell}
                isSequential={isSequential}
                onOpen={onCell && (() => onCell(row, column))}
              />
            ))}
            {row.after?.map((content, i) => (
              <td key={`after ${i}`} class="heat-after number">
                {content}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

interface CellProps {
  cell: HeatCell;
  isSequential: boolean;
  onOpen?: () => void;
}
function Cell({ cell, isSequential, onOpen }: CellProps) {
  const { shade, text, title, isOutlined } = cell;
  const colour = shade === null ? null : shadeColour(shade, isSequential);
  const style = colour ? { background: cssColour(colour), color: contrastingInk(colour) } : {};
  return (
    <td style={style} title={title} class={isOutlined ? "strong" : ""}>
      {onOpen && colour ? (
        <button type="button" onClick={onOpen}>
          {text}
        </button>
      ) : (
        text
      )}
    </td>
  );
}

interface ScaleProps {
  low: string;
  high: string;
  isSequential?: boolean;
}
export function HeatScale({ low, high, isSequential = false }: ScaleProps) {
  isDark.value;
  const steps = Array.from({ length: 15 }, (_, i) =>
    shadeColour(isSequential ? i / 14 : i / 7 - 1, isSequential),
  );
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
