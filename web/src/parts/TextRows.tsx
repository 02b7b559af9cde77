// The texts found, as rows: narrow beside the map, wide as a table.
import { useEffect, useState } from "preact/hooks";
import type { Hit } from "../contract";
import {
  clearFilters,
  colour,
  found,
  isFiltered,
  look,
  lookFurther,
  nouns,
  query,
  rowAt,
  summary,
  useSummary,
} from "../state";
import { count, plural, signed } from "../words";
import { Dot, Empty, Failed, Loading } from "./basics";
import { useRoomy, useSpacious } from "./hooks";
import { Marked } from "./Marked";
import { Rows } from "./Rows";

export function Counted() {
  const { status, total } = found.value;
  const all = useSummary().n_shown;
  const words = nouns.value;
  return (
    <p class="counted" role="status">
      {status === "loading"
        ? "Looking…"
        : isFiltered.value
          ? `${count(total)} of ${plural(all, words.text, words.texts)}`
          : plural(all, words.text, words.texts)}
    </p>
  );
}

const shade = (hit: Hit) => summary.value?.factors[hit.dominant]?.name ?? `no ${nouns.value.factor}`;

/** Whether the texts stand with how well they match what was asked by its meaning. */
const matched = () =>
  query.value.by === "meaning" && !!query.value.search && query.value.sort?.by !== "factor";

/** The factor whose scores the table shows: that sorted by, else filtered by; else each text's strongest. */
function scored(): number | undefined {
  const { sort, factors, dominant } = query.value;
  if (sort?.by === "factor") return sort.at;
  if (matched()) return undefined;
  if (factors?.length) return factors[0].factor;
  return dominant?.length === 1 && dominant[0] >= 0 ? dominant[0] : undefined;
}

const MOST_COLUMNS = 4;
/** The columns of the source that the table shows: those that are sorted, filtered or coloured by, and the first. */
function useColumns(): number[] {
  const all = useSummary().columns;
  if (!useSpacious() || rowAt.value !== null) return [];
  const { sort, columns } = query.value;
  const asked = (columns ?? []).map((c) => c.column);
  if (sort?.by === "column" && sort.at !== undefined) asked.unshift(sort.at);
  if (colour.value.by === "column") asked.push(colour.value.at);
  return [...new Set([...asked, ...all.keys()])].slice(0, MOST_COLUMNS).sort((a, b) => a - b);
}

/** What of the texts the table shows, where that is not all. */
export function Shown() {
  const { columns, factors } = useSummary();
  const shown = useColumns().length;
  const factor = scored();
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
function measure({ relevance, sought, score }: Hit): string {
  if (relevance !== null && matched()) return relevance.toFixed(2);
  const shown = sought ?? score;
  return shown === null ? "" : signed(shown, 1);
}

function Narrow({ hit }: { hit: Hit }) {
  return (
    <div role="gridcell" class="narrow-cell">
      <p class="snippet" dir="auto">
        <Marked text={hit.text} marks={hit.marks} />
      </p>
      <p class="under">
        <Dot index={hit.dominant} />
        <span class="grow">
          <bdi>{shade(hit)}</bdi>
        </span>
        <span class="number">{measure(hit)}</span>
      </p>
    </div>
  );
}

function Wide({ hit, columns }: { hit: Hit; columns: number[] }) {
  const kinds = useSummary().columns.map((column) => column.kind);
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
          <bdi>{shade(hit)}</bdi>
        </span>
      </div>
      <div role="gridcell" class="cell-number number">
        {measure(hit)}
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
  const { status, error, total, hits } = found.value;
  const all = useSummary();
  const words = nouns.value;
  const roomy = useRoomy();
  const shown = useColumns();
  const columns = wide ? shown : [];
  useEffect(() => setAt(0), [query.value]);
  if (status === "failed") return <Failed error={error} again={look} />;
  if (status === "loading" && !hits.size) return <Loading what={`Looking through the ${words.texts}`} />;
  if (!total)
    return (
      <Empty>
        No {words.text} fits.{" "}
        {isFiltered.value && (
          <button type="button" class="link" onClick={clearFilters}>
            Clear the filters
          </button>
        )}
      </Empty>
    );
  const open = (i: number) => {
    const hit = found.peek().hits.get(i);
    if (hit) rowAt.value = hit.row;
  };
  const row = (i: number) => {
    const hit = hits.get(i);
    if (!hit) return <div role="gridcell" class="waiting" aria-label="Loading" />;
    return wide ? <Wide hit={hit} columns={columns} /> : <Narrow hit={hit} />;
  };
  const factor = scored();
  const head = wide && (
    <>
      <Head label="Id" by="id" />
      <Head label={words.Texts.slice(0, -1)} by="length" />
      <div role="columnheader" class="head">
        {words.factor[0].toUpperCase() + words.factor.slice(1)}
      </div>
      {matched() ? (
        <div
          role="columnheader"
          class="head number"
          aria-sort={query.value.sort ? "none" : "descending"}
          title="How close the text is to the words searched for"
        >
          Match
        </div>
      ) : factor === undefined ? (
        <div
          role="columnheader"
          class="head number"
          title={`On the ${words.text}'s strongest ${words.factor}`}
        >
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
      label={words.Texts}
      class={wide ? `wide cols-${columns.length}` : "slim"}
      at={at}
      onMove={setAt}
      onOpen={open}
      onSee={lookFurther}
      row={row}
      isOpen={(i) => hits.get(i)?.row === rowAt.value}
      head={head}
    />
  );
}
