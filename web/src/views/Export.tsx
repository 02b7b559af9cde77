// Taking the result away: tables, the report as one file, a link to this very view; charts are saved where they stand.
import { useState } from "preact/hooks";
import { address } from "../address";
import type { ExportedFormat, ExportedTable, Factor, Summary } from "../contract";
import { isFiltered } from "../filters";
import { count } from "../format";
import { getSummary, notice, nouns, query, source, view } from "../model";
import type { Nouns } from "../nouns";
import { ActionError, Choice, useAction } from "../parts/basics";
import { saveFile } from "../parts/save";
import { results } from "../results";

/** What each table of a served run holds. */
function servedTables({ n_rows, n_texts }: Summary, noun: Nouns): Record<ExportedTable, string> {
  const hasCopies = n_rows > n_texts;
  return {
    texts: hasCopies
      ? `One row per ${noun.text} and one per copy: its own columns, its strongest ${noun.factor} and all scores.`
      : `One row per ${noun.text}: its columns, its strongest ${noun.factor} and all scores.`,
    factors: `One row per ${noun.factor}: name, description, share, strength.`,
    properties: `One row per ${noun.property}: its ${noun.factor} and weight.`,
    evidence: `One row per sentence that is evidence for a ${noun.factor}.`,
  };
}

/** What the tables of report.html hold, which is less than the run does. */
function inlinedTables({ factors, n_shown, n_texts }: Summary, noun: Nouns): Record<ExportedTable, string> {
  const total = (listOf: (factor: Factor) => unknown[]) =>
    count(factors.reduce((sum, factor) => sum + listOf(factor).length, 0));
  const rest = "`goalspace explore` exports all of them.";
  const sample = n_shown < n_texts ? `, ${count(n_shown)} of ${count(n_texts)}` : "";
  return {
    texts: `One row per ${noun.text}${sample}, without copies: its columns, its strongest ${noun.factor} and all scores, to three decimals. Long ${noun.texts} and values are truncated; \`goalspace explore\` exports them in full.`,
    factors: `One row per ${noun.factor}: name, description, share, strength.`,
    properties: `The ${total((f) => f.properties)} strongest ${noun.properties}, each with its ${noun.factor} and weight; ${rest}`,
    evidence: `The ${total((f) => f.evidence)} sentences on this page that are evidence for a ${noun.factor}; ${rest}`,
  };
}

const formatLabel = (format: ExportedFormat) => (format === "parquet" ? "Parquet" : format.toUpperCase());

function Tables() {
  const summary = getSummary();
  const noun = nouns.value;
  const [what, setWhat] = useState<ExportedTable>("texts");
  const [format, setFormat] = useState<ExportedFormat>("csv");
  const [only, setOnly] = useState(true);
  const { busy, error, run } = useAction();
  const filtered = isFiltered.value && what === "texts";
  const saveTable = () =>
    run(async () => {
      const { offset: _, limit: __, ...filters } = query.peek();
      const blob = await source.table(what, format, filtered && only ? filters : undefined);
      saveFile(blob, `${summary.run}-${what}.${format}`);
    });
  const formats: ExportedFormat[] = source.served ? ["csv", "parquet", "json"] : ["csv", "json"];
  const descriptions = source.served ? servedTables(summary, noun) : inlinedTables(summary, noun);
  return (
    <section class="export-part" aria-label="Tables">
      <h2>Tables</h2>
      <div class="export-line">
        <Choice
          label="Table"
          value={what}
          options={[
            { value: "texts", label: noun.Texts },
            { value: "factors", label: noun.Factors },
            { value: "properties", label: noun.Properties },
            { value: "evidence", label: "Evidence" },
          ]}
          onChange={setWhat}
        />
        <Choice
          label="Format"
          value={format}
          options={formats.map((value) => ({ value, label: formatLabel(value) }))}
          onChange={setFormat}
        />
        <button type="button" class="button primary" disabled={busy} onClick={saveTable}>
          {busy ? "Saving…" : "Save table"}
        </button>
      </div>
      <p class="hint">{descriptions[what]}</p>
      {filtered && (
        <label class="check">
          <input type="checkbox" checked={only} onChange={(e) => setOnly(e.currentTarget.checked)} /> only the{" "}
          {count(results.value.total)} {noun.texts} that match the filters
        </label>
      )}
      <ActionError error={error} />
    </section>
  );
}

function Report() {
  const summary = getSummary();
  const { busy, error, run } = useAction();
  if (!source.served)
    return (
      <section class="export-part" aria-label="Report">
        <h2>Report</h2>
        <p>This page is the report: a single file that includes its data and can be shared as it is.</p>
      </section>
    );
  return (
    <section class="export-part" aria-label="Report">
      <h2>Report</h2>
      <p>
        This page and its data in a single file. It needs neither a server nor a network, so you can send it
        to a colleague.
      </p>
      <div class="export-line">
        <button
          type="button"
          class="button primary"
          disabled={busy}
          onClick={() => run(async () => saveFile(await source.report(), `${summary.run}-report.html`))}
        >
          {busy ? "Saving…" : "Save report"}
        </button>
      </div>
      <ActionError error={error} />
    </section>
  );
}

function Link() {
  const here = `${location.href.split("#")[0]}#${address.value}`;
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(here);
      notice.value = "Link copied.";
    } catch {
      document.querySelector<HTMLInputElement>("#view-link")?.select();
      notice.value = "The browser does not allow copying; the link is selected instead.";
    }
  };
  return (
    <section class="export-part" aria-label="Link">
      <h2>Link to this view</h2>
      <p>
        The address contains the colours, the filters, the outline and what is open; opening it restores them.{" "}
        {source.served && "It works on this machine while the server is running."}
      </p>
      <div class="export-line">
        <input
          id="view-link"
          class="grow"
          readOnly
          aria-label="Link"
          value={here}
          onFocus={(e) => e.currentTarget.select()}
        />
        <button type="button" class="button" onClick={copy}>
          Copy
        </button>
      </div>
    </section>
  );
}

function Charts() {
  const { columns, runs } = getSummary();
  const go = (to: typeof view.value, label: string) => (
    <button
      type="button"
      class="button"
      onClick={() => {
        view.value = to;
      }}
    >
      {label}
    </button>
  );
  return (
    <section class="export-part" aria-label="Pictures">
      <h2>Pictures</h2>
      <p>Every chart has a “Save picture” menu at its top right: PNG or SVG, in the colours shown.</p>
      <div class="export-line">
        {go("map", "Map")}
        {go("factors", `Trend of a ${nouns.value.factor}`)}
        {columns.length > 0 && go("compare", "Comparisons")}
        {runs.length > 0 && go("runs", "Agreement of runs")}
      </div>
    </section>
  );
}

export function Export() {
  return (
    <div class="page">
      <h2 class="title">Export</h2>
      <Tables />
      <Report />
      <Charts />
      <Link />
    </div>
  );
}
