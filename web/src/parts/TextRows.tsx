// The texts found, as rows: narrow beside the map, wide as a table.
import { useEffect, useState } from "preact/hooks";
import type { Hit } from "../contract";
import { clearFilters, isFiltered } from "../filters";
import { count, plural, signed } from "../format";
import { colour, getSummary, nouns, query, selectedRow, summary } from "../model";
import { fetchMoreTexts, fetchTexts, results } from "../results";
import { Dot, Empty, Failure, Loading } from "./basics";
import { useFitsColumns, useFitsTwoPanes } from "./hooks";
import { Marked } from "./Marked";
import { Rows } from "./Rows";

export function ResultCount() {
  const { status, total } = results.value;
  const all = getSummary().n_shown;
  const noun = nouns.value;
  return (
    <p class="counted" role="status">
      {status === "loading"
        ? "Looking…"
        : isFiltered.value
          ? `${count(total)} of ${plural(all, noun.text, noun.texts)}`
          : plural(all, noun.text, noun.texts)}
    </p>
  );
}

const factorName = (hit: Hit) => summary.value?.factors[hit.dominant]?.name ?? `no ${nouns.value.factor}`;

/** Whether the texts stand with how well they match what was asked by its meaning. */
const showsMatch = () =>
  query.value.by === "meaning" && !!query.value.search && query.value.sort?.by !== "factor";

/** The factor whose scores the table shows: that sorted by, else filtered by; else each text's strongest. */
function scoredFactor(): number | undefined {
  const { sort, factors, dominant } = query.value;
  if (sort?.by === "factor") return sort.at;
  if (showsMatch()) return undefined;
  if (factors?.length) return factors[0].factor;
  return dominant?.length === 1 && dominant[0] >= 0 ? dominant[0] : undefined;
}

const MAX_COLUMNS = 4;
/** The columns of the source that the table shows: those that are sorted, filtered or coloured by, and the first. */
function useColumns(): number[] {
  const all = getSummary().columns;
  if (!useFitsColumns() || selectedRow.value !== null) return [];
  const { sort, columns } = query.value;
  const asked = (columns ?? []).map((c) => c.column);
  if (sort?.by === "column" && sort.at !== undefined) asked.unshift(sort.at);
  if (colour.value.by === "column") asked.push(colour.value.at);
  return [...new Set([...asked, ...all.keys()])].slice(0, MAX_COLUMNS).sort((a, b) => a - b);
}

/** What of the texts the table shows, where that is not all. */
export function TableNote() {
  const { columns, factors } = getSummary();
  const shown = useColumns().length;
  const factor = scoredFactor();
  const hidden = shown > 0 && columns.length > shown;
  return (
    <p class="hint shown">
      {factor !== undefined && (
        <>
          Scores on <bdi>{factors[factor].name}</bdi>.{" "}
        </>
      )}
      {hidden && `${shown} of ${plural(columns.length, "column")}; a ${nouns.value.text} shows all.`}
    </p>
  );
}

/** How well a text matches what was asked by its meaning, else its score on the factor asked for, or on its own. */
function measureText({ relevance, sought, score }: Hit): string {
  if (relevance !== null && showsMatch()) return relevance.toFixed(2);
  const shown = sought ?? score;
  return shown === null ? "" : signed(shown, 1);
}

function NarrowRow({ hit }: { hit: Hit }) {
  return (
    <div role="gridcell" class="narrow-cell">
      <p class="snippet" dir="auto">
        <Marked text={hit.text} marks={hit.marks} />
      </p>
      <p class="under">
        <Dot index={hit.dominant} />
        <span class="grow">
          <bdi>{factorName(hit)}</bdi>
        </span>
        <span class="number">{measureText(hit)}</span>
      </p>
    </div>
  );
}

function WideRow({ hit, columns }: { hit: Hit; columns: number[] }) {
  const kinds = getSummary().columns.map((column) => column.kind);
  return (
    <>
      <div role="gridcell" class="cell-id">
        <bdi>{hit.id}</bdi>
      </div>
      <div role="gridcell" class="cell-text">
        <p class="snippet" dir="auto">
          <Marked text={hit.text} marks={hit.marks} />
        </p>
      </div>
      <div role="gridcell" class="cell-factor">
        <Dot index={hit.dominant} />
        <span class="clamp">
          <bdi>{factorName(hit)}</bdi>
        </span>
      </div>
      <div role="gridcell" class="cell-number number">
        {measureText(hit)}
      </div>
      {columns.map((c) => (
        <div
          role="gridcell"
          class={kinds[c] === "number" ? "cell-value number" : "cell-value"}
          key={c}
          dir="auto"
        >
          {hit.values[c] ?? <span class="quiet">–</span>}
        </div>
      ))}
    </>
  );
}

type SortBy = NonNullable<NonNullable<typeof query.value.sort>["by"]>;
function Head({
  label,
  by,
  at,
  number = false,
  title,
}: {
  label: string;
  by: SortBy;
  at?: number;
  number?: boolean;
  title?: string;
}) {
  const sort = query.value.sort;
  const on = sort?.by === by && sort.at === at;
  const turn = () => {
    if (on && sort?.down === number) query.value = { ...query.value, sort: { by, at, down: !number } };
    else if (on) query.value = { ...query.value, sort: undefined };
    else query.value = { ...query.value, sort: { by, at, down: number } };
  };
  return (
    <div
      role="columnheader"
      aria-sort={on ? (sort?.down ? "descending" : "ascending") : "none"}
      class={number ? "head number" : "head"}
      title={title}
    >
      <button type="button" onClick={turn}>
        <bdi>{label}</bdi>
        {on && <span aria-hidden="true">{sort?.down ? " ↓" : " ↑"}</span>}
      </button>
    </div>
  );
}

export function TextRows({ wide = false }: { wide?: boolean }) {
  const [at, setAt] = useState(0);
  const { status, error, total, hits } = results.value;
  const all = getSummary();
  const noun = nouns.value;
  const roomy = useFitsTwoPanes();
  const shown = useColumns();
  const columns = wide ? shown : [];
  useEffect(() => setAt(0), [query.value]);
  if (status === "failed") return <Failure error={error} again={fetchTexts} />;
  if (status === "loading" && !hits.size) return <Loading what={`Looking through the ${noun.texts}`} />;
  if (!total)
    return (
      <Empty>
        No {noun.text} fits.{" "}
        {isFiltered.value && (
          <button type="button" class="link" onClick={clearFilters}>
            Clear the filters
          </button>
        )}
      </Empty>
    );
  const open = (i: number) => {
    const hit = results.peek().hits.get(i);
    if (hit) selectedRow.value = hit.row;
  };
  const row = (i: number) => {
    const hit = hits.get(i);
    if (!hit) return <div role="gridcell" class="waiting" aria-label="Loading" />;
    return wide ? <WideRow hit={hit} columns={columns} /> : <NarrowRow hit={hit} />;
  };
  const factor = scoredFactor();
  const head = wide && (
    <>
      <Head label="Id" by="id" />
      <Head label={noun.Texts.slice(0, -1)} by="length" />
      <div role="columnheader" class="head">
        {noun.factor[0].toUpperCase() + noun.factor.slice(1)}
      </div>
      {showsMatch() ? (
        <div
          role="columnheader"
          class="head number"
          aria-sort={query.value.sort ? "none" : "descending"}
          title="How close the text is to the words searched for"
        >
          Match
        </div>
      ) : factor === undefined ? (
        <div role="columnheader" class="head number" title={`On the ${noun.text}'s strongest ${noun.factor}`}>
          Score
        </div>
      ) : (
        <Head label="Score" by="factor" at={factor} number title={`Score on ${all.factors[factor].name}`} />
      )}
      {columns.map((c) => (
        <Head
          key={c}
          label={all.columns[c].name}
          by="column"
          at={c}
          number={all.columns[c].kind === "number"}
        />
      ))}
    </>
  );
  return (
    <Rows
      total={total}
      height={wide ? (roomy ? 60 : 76) : 84}
      label={noun.Texts}
      class={wide ? `wide cols-${columns.length}` : "slim"}
      at={at}
      onMove={setAt}
      onOpen={open}
      onSee={fetchMoreTexts}
      row={row}
      isOpen={(i) => hits.get(i)?.row === selectedRow.value}
      head={head}
    />
  );
}
