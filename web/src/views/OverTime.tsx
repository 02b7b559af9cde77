// Factors over time: the share of each in every period, with its interval, and whether it changes.
import { useState } from "preact/hooks";
import { elementAt } from "../arrays";
import { memoise } from "../cache";
import type { FactorOverTime, OverTime as Measured } from "../contract";
import { count, isolated, percent, pValue } from "../format";
import { getSummary, nouns, revision, source } from "../model";
import { openTexts } from "../navigation";
import { Choice, FactorLink, Failure, Loading } from "../parts/basics";
import { intervalText, LineChart, sharedTop } from "../parts/charts";
import { Figure } from "../parts/Figure";
import { useFetched } from "../parts/hooks";

/** The time column to show along with a column: itself, else the one of the factors' trends, else the first; null: none. */
export function timeColumnFor(column: number): number | null {
  const { columns, trend } = getSummary();
  const isTime = (at: number) => columns[at]?.kind === "time";
  const times = [...columns.keys()].filter(isTime);
  if (isTime(column)) return column;
  return times.find((at) => columns[at]?.name === trend?.column) ?? times[0] ?? null;
}

export const useOverTime = (column: number | null) =>
  useFetched(
    async () => (column === null ? null : memoise(`over time ${column}`, () => source.overTime(column))),
    [column, revision.value],
  );

/** What a factor does, in a few words. */
export function courseText({ course, ends, q }: FactorOverTime): string {
  if (course === "steady") return `no clear change, p\u00a0${pValue(q)}`;
  const from = course === "varies" ? "" : ` from ${percent(ends[0])} to ${percent(ends[1])}`;
  return `${course}${from}, p\u00a0${pValue(q)}`;
}

export function Changes({ data }: { data: Measured }) {
  const changing = data.factors.filter(({ course }) => course !== "steady");
  if (!changing.length)
    return (
      <p class="lede">No {nouns.value.factor} changes significantly over time (no corrected p below 0.05).</p>
    );
  return (
    <ul class="sentences">
      {changing.slice(0, 4).map(({ factor, sentence }) => (
        <li key={factor} dir="ltr">
          {sentence}
        </li>
      ))}
    </ul>
  );
}

function leftOutText({ n_missing, n_outside, periods }: Measured): string {
  const [first, last] = [periods[0]?.name, periods.at(-1)?.name];
  const parts = [
    ...(n_missing ? [`${count(n_missing)} without a date`] : []),
    ...(n_outside ? [`${count(n_outside)} from before ${first} or after ${last}`] : []),
  ];
  return parts.length ? `Left out: ${parts.join(", and ")}.` : "";
}

const openPeriod = (data: Measured, factor: number) => (period: number) =>
  openTexts({
    dominant: [factor],
    columns: [{ column: data.column, values: [elementAt(data.periods, period).code] }],
  });

interface ChartsProps {
  data: Measured;
  rows: FactorOverTime[];
  top: number; // of the scale of all
}
function Charts({ data, rows, top }: ChartsProps) {
  return (
    <div class="multiples">
      {rows.map((row) => (
        <div key={row.factor}>
          <p>
            <FactorLink index={row.factor} />
          </p>
          <p class={row.course === "steady" ? "course" : "course sure"} title={row.sentence}>
            {courseText(row)}
          </p>
          <LineChart
            name={elementAt(getSummary().factors, row.factor).name}
            index={row.factor}
            shares={row.shares}
            periods={data.periods}
            height={124}
            top={top}
            onPeriod={openPeriod(data, row.factor)}
          />
        </div>
      ))}
    </div>
  );
}

function Table({ data, rows, title }: { data: Measured; rows: FactorOverTime[]; title: string }) {
  return (
    <table class="heat over-table" aria-label={title}>
      <thead>
        <tr>
          <th scope="col" class="heat-corner">
            {nouns.value.Factors}
          </th>
          <th
            scope="col"
            class="course"
            title="The p is corrected for testing every factor (Benjamini–Hochberg)"
          >
            Change
          </th>
          {data.periods.map(({ name, n }) => (
            <th scope="col" key={name}>
              <bdi>{name}</bdi>
              <span class="quiet group-size">{count(n)}</span>
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <TableRow key={row.factor} data={data} row={row} />
        ))}
      </tbody>
    </table>
  );
}

function TableRow({ data, row }: { data: Measured; row: FactorOverTime }) {
  const open = openPeriod(data, row.factor);
  const name = isolated(elementAt(getSummary().factors, row.factor).name);
  return (
    <tr>
      <th scope="row">
        <FactorLink index={row.factor} />
      </th>
      <td class={row.course === "steady" ? "course" : "course sure"} title={row.sentence}>
        {courseText(row)}
      </td>
      {row.shares.map((share, at) => (
        <td key={at}>
          {share ? (
            <button
              type="button"
              title={`${name}, ${elementAt(data.periods, at).name}: ${count(share.n)} ${nouns.value.texts}`}
              onClick={() => open(at)}
            >
              {percent(share.share)}
              <span class="quiet group-size">{intervalText(share)}</span>
            </button>
          ) : (
            "–"
          )}
        </td>
      ))}
    </tr>
  );
}

export function OverTime({ data }: { data: Measured }) {
  const [order, setOrder] = useState<"change" | "rank">("change");
  const [form, setForm] = useState<"charts" | "table">("charts");
  const noun = nouns.value;
  const { columns, factors } = getSummary();
  const { name } = elementAt(columns, data.column);
  const known = data.factors.filter(({ factor }) => factors[factor]); // an edit may have removed some since
  const rows = order === "change" ? known : [...known].sort((a, b) => a.factor - b.factor);
  const series = data.factors.map(({ shares }) => shares);
  const top = sharedTop(series, data.periods);
  const isCut = form === "charts" && series.flat().some((share) => share && share.high > top);
  const title = `Over time, by ${name}`;
  const note =
    `For each ${noun.factor}, the share of a ${data.unit}'s ${noun.texts} ${noun.belongs}, with its 95% interval. ` +
    `${isCut ? "Intervals above the top are cut off. " : ""}` +
    `Click a ${data.unit} to open these ${noun.texts}. ${leftOutText(data)}`;
  return (
    <Figure title={title} name={`over-${name}`} note={note}>
      <div class="figure-tools">
        <Choice
          label="Order"
          value={order}
          options={[
            { value: "change", label: "Surest change first" },
            { value: "rank", label: "By rank" },
          ]}
          onChange={setOrder}
        />
        <Choice
          label="Form"
          value={form}
          options={[
            { value: "charts", label: "Charts" },
            { value: "table", label: "Table" },
          ]}
          onChange={setForm}
        />
      </div>
      {form === "charts" ? (
        <Charts data={data} rows={rows} top={top} />
      ) : (
        <Table data={data} rows={rows} title={title} />
      )}
    </Figure>
  );
}

/** One factor over time, as part of its card. */
export function FactorOverTimeFigure({ index }: { index: number }) {
  const { factors, columns } = getSummary();
  const column = timeColumnFor(-1);
  const { data, error } = useOverTime(column);
  const row = data?.factors.find(({ factor }) => factor === index);
  if (error) return <Failure error={error} />;
  if (column === null) return null;
  if (!data) return <Loading what="Counting over time" />;
  if (!row) return null;
  return (
    <Figure
      title={`Share by ${elementAt(columns, column).name}`}
      name={`factor-${index + 1}-over-time`}
      note={<span title={row.sentence}>{courseText(row)}</span>}
    >
      <LineChart
        name={elementAt(factors, index).name}
        index={index}
        shares={row.shares}
        periods={data.periods}
        height={150}
        top={sharedTop([row.shares], data.periods)}
        onPeriod={openPeriod(data, index)}
      />
    </Figure>
  );
}
