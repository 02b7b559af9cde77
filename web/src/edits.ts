// Edits, undo and redo: one after the other, each made to the factors that the page shows.
import type { Changed, Edit } from "./contract";
import { Refused } from "./served";
import { notice, sentence, show, source, summary, useSummary } from "./state";

type Act = (seen: number) => Promise<Changed>;

/** Where another edit was first, nothing is done: its factors are shown, and the server's line says so. */
async function make(act: Act, said: string, seen: number): Promise<void> {
  try {
    await show(await act(seen), said);
  } catch (error) {
    if (!(error instanceof Refused && error.status === 409)) throw error;
    const now = await source.since(seen);
    if (now.edits.lines === seen) throw error; // refused for another reason
    await show(now, sentence(error));
  }
}

let last: Promise<void> = Promise.resolve();
function inTurn(next: () => Promise<void>) {
  const mine = last.then(next);
  last = mine.catch(() => {});
  return mine;
}
const lines = () => useSummary().edits.lines;

/** Its factors are numbered as they were when it was chosen: an edit that ends meanwhile has it refused. */
export function doEdit(edit: Edit, said: string) {
  const seen = lines();
  return inTurn(() => make((at) => source.edit(edit, at), said, seen));
}

/** Shows what another tab has edited since. */
export const catchUp = () =>
  inTurn(async () => {
    if (!summary.peek()?.able.edit) return;
    const now = await source.since(lines()).catch(() => null);
    if (now && now.edits.lines !== lines()) await show(now, "The factors were changed in another tab.");
  });

const redoable = () => (summary.peek()?.able.edit ? summary.peek()?.edits : undefined);
export async function undo() {
  if (!redoable()?.done.length) return;
  await inTurn(() => make(source.undo, "Undone.", lines())).catch((error) => {
    notice.value = sentence(error);
  });
}
export async function redo() {
  if (!redoable()?.undone) return;
  await inTurn(() => make(source.redo, "Done again.", lines())).catch((error) => {
    notice.value = sentence(error);
  });
}
