// The texts that match the query, as rows: narrow beside the map, wide as a table.
import { useEffect, useState } from "preact/hooks";
import type { Hit } from "../contract";
import { clearFilters, isFiltered } from "../filters";
import { count, plural } from "../format";
import { getSummary, nouns, query, selectedRow } from "../model";
import { fetchMoreTexts, fetchTexts, results } from "../results";
import { Dot, Empty, Failure, Loading } from "./basics";
import { useFitsTwoPanes } from "./hooks";
import { Marked } from "./Marked";
import { Rows } from "./Rows";
import { factorName, measureText, TableHead, useColumns, WideRow } from "./TextTable";

export function ResultCount() {
  const { status, total } = results.value;
  const all = getSummary().n_shown;
  const noun = nouns.value;
  return (
    <p class="counted" role="status">
      {status === "loading"
        ? "Searching…"
        : isFiltered.value
          ? `${count(total)} of ${plural(all, noun.text, noun.texts)}`
          : plural(all, noun.text, noun.texts)}
    </p>
  );
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

function NoTexts() {
  return (
    <Empty>
      No {nouns.value.texts} match.{" "}
      {isFiltered.value && (
        <button type="button" class="link" onClick={clearFilters}>
          Clear filters
        </button>
      )}
    </Empty>
  );
}

export function TextRows({ wide = false }: { wide?: boolean }) {
  const [at, setAt] = useState(0);
  const { status, error, total, hits } = results.value;
  const noun = nouns.value;
  const twoPanes = useFitsTwoPanes();
  const shown = useColumns();
  const columns = wide ? shown : [];
  useEffect(() => setAt(0), [query.value]);
  if (status === "failed") return <Failure error={error} onRetry={fetchTexts} />;
  if (status === "loading" && !hits.size) return <Loading what={`Searching the ${noun.texts}`} />;
  if (!total) return <NoTexts />;
  const open = (i: number) => {
    const hit = results.peek().hits.get(i);
    if (hit) selectedRow.value = hit.row;
  };
  const row = (i: number) => {
    const hit = hits.get(i);
    if (!hit) return <div role="gridcell" class="waiting" aria-label="Loading" />;
    return wide ? <WideRow hit={hit} columns={columns} /> : <NarrowRow hit={hit} />;
  };
  return (
    <Rows
      total={total}
      height={wide ? (twoPanes ? 60 : 76) : 84}
      label={noun.Texts}
      class={wide ? `wide cols-${columns.length}` : "slim"}
      at={at}
      onMove={setAt}
      onOpen={open}
      onSee={fetchMoreTexts}
      row={row}
      isOpen={(i) => hits.get(i)?.row === selectedRow.value}
      head={wide && <TableHead columns={columns} />}
    />
  );
}
