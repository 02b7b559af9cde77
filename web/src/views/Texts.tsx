// All texts as a table with search and filters, the why-panel beside it.
import { Filters } from "../parts/Filters";
import { Sorting } from "../parts/Sorting";
import { Counted, Shown, TextRows } from "../parts/TextRows";
import { nouns, rowAt } from "../state";
import { Why } from "./Why";

export function Texts() {
  return (
    <div class={rowAt.value === null ? "split texts-view" : "split texts-view open"}>
      <section class="split-main table-side" aria-label={nouns.value.Texts}>
        <div class="bar-line">
          <h2 class="title">{nouns.value.Texts}</h2>
          <Counted />
          <Shown />
          <span class="grow" />
          <Sorting />
        </div>
        <Filters />
        <TextRows wide />
      </section>
      {rowAt.value !== null && (
        <aside class="why-side" aria-label="Why">
          <Why row={rowAt.value} />
        </aside>
      )}
    </div>
  );
}
