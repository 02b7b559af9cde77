// Factors by the groups of a column: shares or mean scores, how much they differ, and whether by more than chance.
import { useState } from "preact/hooks";
import { elementAt } from "../arrays";
import type { Comparison, Factor, FactorTest, Group } from "../contract";
import { count, isolated, percent, pValue, signed } from "../format";
import { compareSettings, getSummary, nouns } from "../model";
import { openTexts } from "../navigation";
import { Choice, FactorLink } from "../parts/basics";
import { Figure } from "../parts/Figure";
import { Heat, type HeatRow, HeatScale } from "../parts/Heat";
import { SIGNIFICANT } from "../statistics";

interface FactorRow {
  factor: Factor;
  values: (number | null)[]; // by group
  overall: number;
  test: FactorTest | undefined;
}

function readRows({ groups, shares, means, tests }: Comparison, by: "shares" | "means"): FactorRow[] {
  const total = groups.reduce((sum, { n }) => sum + n, 0) || 1;
  return getSummary().factors.flatMap((factor) => {
    const values = (by === "shares" ? shares : means)[factor.index];
    if (factor.hidden || !values) return [];
    const sum = groups.reduce((sum, { n }, g) => sum + n * (values[g] ?? 0), 0);
    const test = tests.find((t) => t.factor === factor.index);
    return [{ factor, values, overall: sum / total, test }];
  });
}

const effectOf = ({ test }: FactorRow) => test?.effect ?? 0;

function heatRows(rows: FactorRow[], groups: Group[], format: (v: number | null) => string) {
  const difference = (value: number | null, overall: number) => (value === null ? 0 : value - overall);
  const spread = Math.max(
    ...rows.flatMap(({ values, overall }) => values.map((value) => Math.abs(difference(value, overall)))),
    1e-9,
  );
  return rows.map(({ factor, values, overall, test }): HeatRow => {
    const cells = values.map((value, g) => ({
      shade: value === null ? null : difference(value, overall) / spread,
      text: format(value),
      title: `${isolated(factor.name)}, ${isolated(elementAt(groups, g).name)}: ${format(value)}, all: ${format(overall)}`,
    }));
    const after = [
      format(overall),
      <span title={test?.sentence}>{test?.effect.toFixed(3)}</span>,
      <span class={test && test.q < SIGNIFICANT ? "sure" : "quiet"}>{test ? pValue(test.q) : ""}</span>,
    ];
    return { key: factor.index, head: <FactorLink index={factor.index} />, cells, after };
  });
}

export function GroupHeatMap({ data }: { data: Comparison }) {
  const [order, setOrder] = useState<"effect" | "rank">("effect");
  const { by } = compareSettings.value;
  const noun = nouns.value;
  const column = elementAt(getSummary().columns, data.column);
  const rows = readRows(data, by);
  if (order === "effect") rows.sort((a, b) => effectOf(b) - effectOf(a));
  const format = by === "shares" ? percent : (v: number | null) => (v === null ? "–" : signed(v));
  // groups of numbers are ranges, which no filter by code can express
  const canOpen = column.kind !== "number" && column.values.length === data.groups.length;
  const open = ({ key }: HeatRow, group: number) =>
    openTexts({ dominant: [Number(key)], columns: [{ column: data.column, values: [group] }] });
  const title = `${noun.Factors} by ${column.name}`;
  const note =
    by === "shares"
      ? `For each ${noun.factor}, the share of a group's ${noun.texts} ${noun.belongs}.`
      : `Mean standardised score of a group's ${noun.texts}.`;
  return (
    <Figure
      title={title}
      name={`compare-${column.name}`}
      note={`${note} ${canOpen ? `Click a cell to open its ${noun.texts}.` : ""}`}
    >
      <div class="figure-tools">
        <Choice
          label="Order"
          value={order}
          options={[
            { value: "effect", label: "Largest difference first" },
            { value: "rank", label: "By rank" },
          ]}
          onChange={setOrder}
        />
        <HeatScale low="below overall" high="above overall" />
      </div>
      <Heat
        label={title}
        corner={noun.Factors}
        columns={data.groups.map(({ name, n }) => (
          <>
            <bdi class={column.kind === "time" ? "period" : ""}>{name}</bdi>
            <span class="quiet group-size">{count(n)}</span>
          </>
        ))}
        after={[
          "all",
          <span title="Effect size over all groups">{data.tests[0]?.measure ?? "effect"}</span>,
          <span title="Corrected for testing every factor (Benjamini–Hochberg)">corrected p</span>,
        ]}
        rows={heatRows(rows, data.groups, format)}
        onCell={canOpen ? open : undefined}
      />
    </Figure>
  );
}
