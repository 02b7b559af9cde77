// Loads the run, then keeps the page, its address and the browser's history in step.
import { batch, effect } from "@preact/signals";
import { address, restoreAddress } from "./address";
import { renumberState } from "./edits";
import {
  errorMessage,
  failure,
  getSummary,
  positions,
  query,
  revision,
  selectedFactor,
  selectedRow,
  setSource,
  source,
  summary,
  view,
} from "./model";
import { fetchTexts } from "./results";
import type { Source } from "./source";

/** Stored with each address in the history: the state of the factors that its numbers refer to. */
interface HistoryState {
  lines: number; // of the edit log
}
const historyState = (): HistoryState => ({ lines: getSummary().edits.lines });

let isRestoring = false;

/** Shows what the address says; an address from before an edit, under the numbers of today. */
async function restoreFromHistory(visited: HistoryState | null) {
  const { hash } = location;
  const { able, edits } = getSummary();
  let moved: number[][] | null = null;
  if (able.edit && visited && visited.lines !== edits.lines) {
    ({ moved } = await source.since(visited.lines).catch(() => ({ moved: [] }))); // from another server's log
    if (location.hash !== hash) return; // the reader has gone elsewhere meanwhile
  }
  isRestoring = true;
  batch(() => {
    restoreAddress(hash);
    if (moved) renumberState(moved);
  });
  isRestoring = false;
}

/** Writes the address whenever the page shows something else. */
function followState() {
  const opened = () => ({
    view: view.peek(),
    card: selectedFactor.peek() !== null,
    text: selectedRow.peek() !== null,
  });
  let before = opened();
  effect(() => {
    const hash = `#${address.value}`;
    const now = opened();
    // “back” undoes a change of view and an opened card or text, but not every step of a slider
    const isStep = now.view !== before.view || (now.card && !before.card) || (now.text && !before.text);
    before = now;
    if (hash === location.hash) return;
    if (isStep && !isRestoring) history.pushState(historyState(), "", hash);
    else history.replaceState(historyState(), "", hash);
  });
}

export async function start(from: Source) {
  setSource(from);
  try {
    const [run, map] = await Promise.all([from.summary(), from.map()]);
    positions.value = map;
    summary.value = run;
  } catch (error) {
    failure.value = errorMessage(error);
    return;
  }
  await restoreFromHistory(history.state);
  history.replaceState(historyState(), "");
  addEventListener("popstate", (event) => {
    if (location.hash.slice(1) !== address.peek()) restoreFromHistory(event.state);
  });
  followState();
  effect(() => {
    query.value;
    revision.value;
    fetchTexts();
  });
}
