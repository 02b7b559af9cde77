// Edits, undo and redo: one after the other, each made to the factors that the page shows.
import type { Changed, Edit } from "./contract";
import { Refused } from "./served";
import { notice, sentence, show, source, summary, useSummary } from "./state";

type Act = (seen: number) => Promise<Changed>;

/** Where another tab was first, nothing is done: its factors are shown, and the server's line says so. */
async function make(act: Act, said: string): Promise<void> {
  const seen = useSummary().edits.lines;
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
/** Waits for the edit before, whose factors this one is made to. */
function inTurn(act: Act, said: string) {
  const mine = last.then(() => make(act, said));
  last = mine.catch(() => {});
  return mine;
}

export const doEdit = (edit: Edit, said: string) => inTurn((seen) => source.edit(edit, seen), said);
const redoable = () => (summary.peek()?.able.edit ? summary.peek()?.edits : undefined);
export async function undo() {
  if (!redoable()?.done.length) return;
  await inTurn(source.undo, "Undone.").catch((error) => {
    notice.value = sentence(error);
  });
}
export async function redo() {
  if (!redoable()?.undone) return;
  await inTurn(source.redo, "Done again.").catch((error) => {
    notice.value = sentence(error);
  });
}
