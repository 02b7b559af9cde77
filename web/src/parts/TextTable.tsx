// The texts as a table: what its columns are, its head, and its rows.
import { elementAt } from "../arrays";
import type { Hit, Sort } from "../contract";
import { plural, signed } from "../format";
import { colour, getSummary, nouns, query, selectedRow } from "../model";
import { Dot } from "./basics";
import { useFitsColumns } from "./hooks";
import { Marked } from "./Marked";

/** Whether the table shows how well texts match a search by meaning, instead of a score. */
const showsMatch = () =>
  query.value.by === "meaning" && !!query.value.search && query.value.sort?.by !== "factor";

/**
 * The factor whose scores the table shows: the one that it is sorted by, else filtered by.
 * If undefined, each text has the score on its strongest factor.
 */
function scoredFactor(): number | undefined {
  const { sort, factors, dominant } = query.value;
  if (sort?.by === "factor") return sort.at;
  if (showsMatch()) return undefined;
  if (factors?.[0]) return factors[0].factor;
  const [only, ...others] = dominant ?? [];
  return only !== undefined && only >= 0 && !others.length ? only : undefined;
}

const MAX_COLUMNS = 4;
/** The columns of the source that the table shows: those used to sort, filter or colour, then the first ones. */
export function useColumns(): number[] {
  const summary = getSummary();
  if (!useFitsColumns() || selectedRow.value !== null) return [];
  const { sort, columns } = query.value;
  const inUse = (columns ?? []).map((c) => c.column);
  if (sort?.by === "column" && sort.at !== undefined) inUse.unshift(sort.at);
  if (colour.value.by === "column") inUse.push(colour.value.at);
  return [...new Set([...inUse, ...summary.columns.keys()])].slice(0, MAX_COLUMNS).sort((a, b) => a - b);
}

/** Which scores the table shows, and how many of the columns. */
export function TableNote() {
  const { columns, factors } = getSummary();
  const shown = useColumns().length;
  const factor = scoredFactor();
  const hidden = shown > 0 && columns.length > shown;
  return (
    <p class="hint shown">
      {factor !== undefined && (
        <>
          Scores on <bdi>{elementAt(factors, factor).name}</bdi>.{" "}
        </>
      )}
      {hidden &&
        `${shown} of ${plural(columns.length, "column")}; open a ${nouns.value.text} to see them all.`}
    </p>
  );
}

/** The match with a search by meaning, else the score on the factor of the query, else on the strongest factor. */
export function measureText({ relevance, sought, score }: Hit): string {
  if (relevance !== null && showsMatch()) return relevance.toFixed(2);
  const value = sought ?? score;
  return value === null ? "" : signed(value, 1);
}

export const factorName = (hit: Hit) =>
  getSummary().factors[hit.dominant]?.name ?? `no ${nouns.value.factor}`;

export function WideRow({ hit, columns }: { hit: Hit; columns: number[] }) {
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

type SortBy = Sort["by"];
/** The head of a column; clicking it sorts by the column, then the other way round, then not at all. */
function SortableHead({
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
  const isSorted = sort?.by === by && sort.at === at;
  const cycle = () => {
    if (isSorted && sort?.down === number) query.value = { ...query.value, sort: { by, at, down: !number } };
    else if (isSorted) query.value = { ...query.value, sort: undefined };
    else query.value = { ...query.value, sort: { by, at, down: number } };
  };
  return (
    <div
      role="columnheader"
      aria-sort={isSorted ? (sort?.down ? "descending" : "ascending") : "none"}
      class={number ? "head number" : "head"}
      title={title}
    >
      <button type="button" onClick={cycle}>
        <bdi>{label}</bdi>
        {isSorted && <span aria-hidden="true">{sort?.down ? " ↓" : " ↑"}</span>}
      </button>
    </div>
  );
}

function ScoreHead() {
  const noun = nouns.value;
  const factor = scoredFactor();
  if (showsMatch())
    return (
      <div
        role="columnheader"
        class="head number"
        aria-sort={query.value.sort ? "none" : "descending"}
        title="How similar the text is to the search"
      >
        Match
      </div>
    );
  if (factor === undefined)
    return (
      <div
        role="columnheader"
        class="head number"
        title={`Score on the ${noun.text}'s strongest ${noun.factor}`}
      >
        Score
      </div>
    );
  const { name } = elementAt(getSummary().factors, factor);
  return <SortableHead label="Score" by="factor" at={factor} number title={`Score on ${name}`} />;
}

export function TableHead({ columns }: { columns: number[] }) {
  const summary = getSummary();
  return (
    <>
      <SortableHead label="Id" by="id" />
      <SortableHead label={nouns.value.Text} by="length" />
      <div role="columnheader" class="head">
        {nouns.value.Factor}
      </div>
      <ScoreHead />
      {columns.map((position) => {
        const { name, kind } = elementAt(summary.columns, position);
        return (
          <SortableHead key={position} label={name} by="column" at={position} number={kind === "number"} />
        );
      })}
    </>
  );
}
