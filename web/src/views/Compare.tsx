// Factors against a column: where they are more frequent or stronger, tested; two groups side by side; over time.
import { useState } from "preact/hooks";
import { memoise } from "../cache";
import type { Comparison, Query } from "../contract";
import { count, isolated, percent, pValue, signed } from "../format";
import { compareSettings, getSummary, nouns, revision, source } from "../model";
import { openTexts } from "../navigation";
import { Choice, Empty, FactorLink, Failure, Loading } from "../parts/basics";
import { Effect, Lines } from "../parts/charts";
import { Figure } from "../parts/Figure";
import { Heat, HeatScale } from "../parts/Heat";
import { useFetched } from "../parts/hooks";
import { MIN_GROUP_SIZE } from "../statistics";

const set = (part: Partial<typeof compareSettings.value>) => {
  compareSettings.value = { ...compareSettings.peek(), ...part };
};

function Bar({ groups, a, b }: { groups: Comparison["groups"]; a: number | null; b: number | null }) {
  const { columns } = getSummary();
  const { column, by } = compareSettings.value;
  const code = (text: string) => (text === "" ? null : Number(text));
  const group = (
    label: string,
    value: number | null,
    onChange: (value: number | null) => void,
    other: number | null,
  ) => (
    <label class="field">
      <span>{label}</span>
      <select value={value ?? ""} onChange={(e) => onChange(code(e.currentTarget.value))}>
        <option value="">none</option>
        {groups.map((g, at) => (
          <option key={at} value={at} disabled={at === other || g.n < MIN_GROUP_SIZE}>
            {g.name}
          </option>
        ))}
      </select>
    </label>
  );
  return (
    <div class="bar-line flush">
      <label class="field">
        <span>Column</span>
        <select
          value={column}
          onChange={(e) => set({ column: Number(e.currentTarget.value), a: null, b: null })}
        >
          {columns.map((c, at) => (
            <option key={at} value={at}>
              {c.name}
            </option>
          ))}
        </select>
      </label>
      <Choice
        label="Numbers"
        value={by}
        options={[
          { value: "shares", label: `Share of ${nouns.value.texts}` },
          { value: "means", label: "Mean score" },
        ]}
        onChange={(value) => set({ by: value })}
      />
      {group("Group A", a, (value) => set({ a: value }), b)}
      {group("Group B", b, (value) => set({ b: value }), a)}
    </div>
  );
}

function Findings({ data }: { data: Comparison }) {
  if (data.groups.filter((g) => g.n >= MIN_GROUP_SIZE).length < 2)
    return <p class="lede">Fewer than two groups have two {nouns.value.texts}: there is nothing to test.</p>;
  const found = data.tests.filter((t) => t.q < 0.05).sort((x, y) => y.effect - x.effect);
  if (!found.length)
    return <p class="lede">No difference between the groups is beyond chance (corrected p below 0.05).</p>;
  return (
    <ul class="told">
      {found.slice(0, 4).map((t) => (
        <li key={t.factor} dir="ltr">
          {t.sentence}
        </li>
      ))}
    </ul>
  );
}

/** The texts of a factor in a group, as a query. */
function cellQuery(data: Comparison, factor: number, group: number, codes: boolean): Query | null {
  if (!codes) return null;
  return { dominant: [factor], columns: [{ column: data.column, values: [group] }] };
}

function HeatMap({ data }: { data: Comparison }) {
  const summary = getSummary();
  const [order, setOrder] = useState<"effect" | "rank">("effect");
  const { by } = compareSettings.value;
  const noun = nouns.value;
  const column = summary.columns[data.column];
  const total = data.groups.reduce((sum, g) => sum + g.n, 0) || 1;
  const values = by === "shares" ? data.shares : data.means;
  const overall = values.map(
    (row) => row.reduce<number>((sum, v, g) => sum + (v ?? 0) * data.groups[g].n, 0) / total,
  );
  const shown = summary.factors.filter((f) => !f.hidden && values[f.index]).map((f) => f.index);
  const away = (v: number | null, k: number) => (v === null ? 0 : v - overall[k]);
  const spread = Math.max(...shown.flatMap((k) => values[k].map((v) => Math.abs(away(v, k)))), 1e-9);
  const tests = new Map(data.tests.map((t) => [t.factor, t]));
  if (order === "effect") shown.sort((i, j) => (tests.get(j)?.effect ?? 0) - (tests.get(i)?.effect ?? 0));
  const format = by === "shares" ? percent : (v: number | null) => (v === null ? "–" : signed(v));
  const codes = column.kind !== "number" && column.values.length === data.groups.length;
  const rows = shown.map((k) => {
    const test = tests.get(k);
    return {
      key: k,
      head: <FactorLink index={k} />,
      shades: values[k].map((v) => (v === null ? null : away(v, k) / spread)),
      texts: values[k].map(format),
      titles: values[k].map(
        (v, g) =>
          `${isolated(summary.factors[k].name)}, ${isolated(data.groups[g].name)}: ${format(v)}, all: ${format(overall[k])}`,
      ),
      after: [
        format(overall[k]),
        <span title={test?.sentence}>{test?.effect.toFixed(3)}</span>,
        <span class={test && test.q < 0.05 ? "sure" : "quiet"}>{test ? pValue(test.q) : ""}</span>,
      ],
    };
  });
  return (
    <Figure
      title={`${noun.Factors} by ${column.name}`}
      name={`compare-${column.name}`}
      note={
        <>
          {by === "shares"
            ? `For each ${noun.factor} the share of a group's ${noun.texts} ${noun.belongs}.`
            : `Mean standardised score of a group's ${noun.texts}.`}{" "}
          {codes && `A cell opens its ${noun.texts}.`}
        </>
      }
    >
      <div class="figure-tools">
        <Choice
          label="Order"
          value={order}
          options={[
            { value: "effect", label: "Largest difference first" },
            { value: "rank", label: "As ranked" },
          ]}
          onChange={setOrder}
        />
        <HeatScale low="less than over all" high="more" />
      </div>
      <Heat
        label={`${noun.Factors} by ${column.name}`}
        corner={noun.Factors}
        columns={data.groups.map((g) => (
          <>
            <bdi>{g.name}</bdi>
            <span class="quiet group-size">{count(g.n)}</span>
          </>
        ))}
        after={[
          "all",
          <span title="Size of the difference over all groups">{data.tests[0]?.measure ?? "effect"}</span>,
          <span title="Corrected over the factors (Benjamini–Hochberg)">corrected p</span>,
        ]}
        rows={rows}
        onCell={
          codes
            ? (r, c) => {
                const asked = cellQuery(data, shown[r], c, codes);
                if (asked) openTexts(asked);
              }
            : undefined
        }
      />
    </Figure>
  );
}

function Pair({ data }: { data: Comparison }) {
  const summary = getSummary();
  const { pair } = data;
  if (!pair) return null;
  const [a, b] = [data.groups[pair.a], data.groups[pair.b]];
  const tests = pair.tests
    .filter((t) => !summary.factors[t.factor]?.hidden)
    .sort((x, y) => y.effect - x.effect);
  const span = Math.max(...tests.flatMap((t) => [Math.abs(t.low), Math.abs(t.high)]), 0.5);
  return (
    <Figure
      title={`${a.name} against ${b.name}`}
      name={`compare-${a.name}-${b.name}`}
      note={`Difference of the mean scores in standard deviations (Cohen's d) with its 95% interval; right of the line: stronger in ${a.name}.`}
    >
      <table class="plain pair-table">
        <thead>
          <tr>
            <th scope="col">{nouns.value.Factors}</th>
            <th scope="col" class="number roomy">
              <bdi>{a.name}</bdi>
            </th>
            <th scope="col" class="number roomy">
              <bdi>{b.name}</bdi>
            </th>
            <th scope="col" class="ends">
              <span>
                ← <bdi>{b.name}</bdi>
              </span>
              <span>
                <bdi>{a.name}</bdi> →
              </span>
            </th>
            <th scope="col" class="number">
              d
            </th>
            <th scope="col" class="number roomy">
              95% interval
            </th>
            <th scope="col" class="number roomy">
              corrected p
            </th>
          </tr>
        </thead>
        <tbody>
          {tests.map((t) => (
            <tr key={t.factor} class={t.q < 0.05 ? "" : "faint"}>
              <th scope="row">
                <FactorLink index={t.factor} />
              </th>
              <td class="number roomy">{percent(data.shares[t.factor][pair.a])}</td>
              <td class="number roomy">{percent(data.shares[t.factor][pair.b])}</td>
              <td>
                <Effect row={t} span={span} />
              </td>
              <td class="number">{signed(t.effect)}</td>
              <td class="number roomy">
                {signed(t.low)} to {signed(t.high)}
              </td>
              <td class={t.q < 0.05 ? "number sure roomy" : "number roomy"}>{pValue(t.q)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Figure>
  );
}

function OverTime({ data }: { data: Comparison }) {
  const summary = getSummary();
  const column = summary.columns[data.column];
  const here = column.kind === "time";
  const name = here ? column.name : summary.trend?.column;
  const labels = here ? data.groups.map((g) => g.name) : summary.trend?.periods;
  if (!name || !labels || labels.length < 2) return null;
  const valuesOf = (k: number) => (here ? data.shares[k] : summary.factors[k].trend) ?? [];
  const shown = summary.factors.filter((f) => !f.hidden && valuesOf(f.index).length > 0);
  const top = Math.max(...shown.flatMap((f) => valuesOf(f.index)).map((share) => share ?? 0), 0.01);
  return (
    <Figure
      title={`Over time, by ${name}`}
      name={`over-${name}`}
      note={`Share of a period's ${nouns.value.texts}; all on one scale.`}
    >
      <div class="multiples">
        {shown.map((f) => (
          <div key={f.index}>
            <p>
              <FactorLink index={f.index} />
            </p>
            <Lines
              series={[{ name: f.name, index: f.index, values: valuesOf(f.index) }]}
              labels={labels}
              height={112}
              top={top}
            />
          </div>
        ))}
      </div>
    </Figure>
  );
}

export function Compare() {
  const { columns } = getSummary();
  const { column } = compareSettings.value;
  const whole = useFetched(
    () => memoise(`compare ${column}`, () => source.compare(column)),
    [column, revision.value],
  );
  const data = whole.data?.column === column ? whole.data : null;
  // an address may name groups that the column does not have
  const [a, b] = [compareSettings.value.a, compareSettings.value.b].map((group) =>
    group !== null && data?.groups[group] ? group : null,
  );
  const both = a !== null && b !== null && a !== b;
  const two = useFetched(
    async () => (both ? source.compare(column, [a, b]) : null),
    [column, both ? a : -1, both ? b : -1, revision.value],
  );
  if (!columns.length) return <Empty>The {nouns.value.texts} have no columns to compare by.</Empty>;
  const pair = two.data?.column === column ? two.data : null;
  const error = whole.error || two.error;
  return (
    <div class="page">
      <h2 class="title">Compare</h2>
      <Bar groups={data?.groups ?? []} a={a} b={b} />
      {error && <Failure error={error} />}
      {!data && !error && <Loading what="Comparing" />}
      {data && (
        <>
          {both ? pair && <Pair data={pair} /> : <Findings data={data} />}
          <HeatMap data={data} />
          <OverTime data={data} />
        </>
      )}
    </div>
  );
}
