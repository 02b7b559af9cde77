// Edits, undo and redo: one at a time, each applied to the factors that the page shows.
import { batch } from "@preact/signals";
import { clearCache } from "./cache";
import type { Changed, Edit } from "./contract";
import {
  colour,
  errorMessage,
  getSummary,
  notice,
  positions,
  query,
  revision,
  selectedFactor,
  source,
  summary,
} from "./model";
import { renumber } from "./renumber";
import { RequestError } from "./served";

/** Keeps showing the same factors under the numbers that they have after an edit. */
export function renumberState(moved: number[][]) {
  const shown = { factor: selectedFactor.peek(), colour: colour.peek(), query: query.peek() };
  const renumbered = renumber(shown, moved);
  selectedFactor.value = renumbered.factor;
  colour.value = renumbered.colour;
  query.value = renumbered.query;
}

/** Shows the factors after an edit; `message` says what happened. */
async function showChanged(changed: Changed, message: string) {
  clearCache();
  const map = await source.map();
  batch(() => {
    summary.value = changed;
    positions.value = map;
    revision.value += 1;
    notice.value = message;
    renumberState(changed.moved);
  });
}

/** The length of the edit log, which identifies the state of the factors that the page shows. */
const logLength = () => getSummary().edits.lines;

/** If another edit came first, this one is refused: the factors as they are now are shown with the server's message. */
async function attempt(request: (seen: number) => Promise<Changed>, message: string, seen: number) {
  try {
    await showChanged(await request(seen), message);
  } catch (error) {
    if (!(error instanceof RequestError && error.status === 409)) throw error;
    const current = await source.since(seen);
    if (current.edits.lines === seen) throw error; // refused for another reason
    await showChanged(current, errorMessage(error));
  }
}

let queue: Promise<void> = Promise.resolve();
function enqueue(task: () => Promise<void>) {
  const done = queue.then(task);
  queue = done.catch(() => {});
  return done;
}

/** Applies an edit to the factors that are shown now. If another edit is still under way, this one will be refused. */
export function applyEdit(edit: Edit, message: string) {
  const seen = logLength();
  return enqueue(() => attempt((at) => source.edit(edit, at), message, seen));
}

/** Shows the edits that were made in another tab. */
export const syncEdits = () =>
  enqueue(async () => {
    if (!summary.peek()?.able.edit) return;
    const current = await source.since(logLength()).catch(() => null);
    if (current && current.edits.lines !== logLength())
      await showChanged(current, "The factors were changed in another tab.");
  });

/** The edits made so far; undefined where nothing can be edited. */
const editHistory = () => (summary.peek()?.able.edit ? summary.peek()?.edits : undefined);

async function step(request: (seen: number) => Promise<Changed>, message: string) {
  await enqueue(() => attempt(request, message, logLength())).catch((error) => {
    notice.value = errorMessage(error);
  });
}
export async function undo() {
  if (editHistory()?.done.length) await step((seen) => source.undo(seen), "Undone.");
}
export async function redo() {
  if (editHistory()?.undone) await step((seen) => source.redo(seen), "Redone.");
}
