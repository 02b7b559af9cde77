// All texts as a table with search and filters, and the why panel beside it.
import { nouns, selectedRow } from "../model";
import { Filters } from "../parts/Filters";
import { Sorting } from "../parts/Sorting";
import { ResultCount, TextRows } from "../parts/TextRows";
import { TableNote } from "../parts/TextTable";
import { Why } from "./Why";

export function Texts() {
  return (
    <div class={selectedRow.value === null ? "split texts-view" : "split texts-view open"}>
      <section class="split-main table-side" aria-label={nouns.value.Texts}>
        <div class="bar-line">
          <h2 class="title">{nouns.value.Texts}</h2>
          <ResultCount />
          <TableNote />
          <span class="grow" />
          <Sorting />
        </div>
        <Filters />
        <TextRows wide />
      </section>
      {selectedRow.value !== null && (
        <aside class="why-side" aria-label="Why">
          <Why row={selectedRow.value} />
        </aside>
      )}
    </div>
  );
}
