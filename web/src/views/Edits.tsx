// The edits made by hand, in order, and undo and redo.
import { redo, undo } from "../edits";
import { plural } from "../format";
import { getSummary, nouns, view } from "../model";
import { Icon } from "../parts/basics";

export function Edits() {
  const { able, edits } = getSummary();
  const noun = nouns.value;
  return (
    <div class="page">
      <h2 class="title">Edits</h2>
      <p class="lede">
        {able.edit
          ? `Rename, merge, split or hide a ${noun.factor} on its card, where you can also move, add and remove properties. Every edit is recorded as a line of edits.jsonl in the run folder and replayed when the run is fitted again.`
          : "The edits made to this run by hand."}
      </p>
      {able.edit && <Actions />}
      {edits.done.length ? (
        <ol class="edit-list" aria-label="Edits">
          {edits.done.map((edit, at) => (
            <li key={at}>
              <span class="number quiet">{at + 1}</span>
              <span class="tag">{edit.do}</span>
              <span dir="ltr">{edit.said}</span>
            </li>
          ))}
        </ol>
      ) : (
        <p class="state">There are no edits yet.</p>
      )}
      {edits.undone > 0 && <p class="hint">{plural(edits.undone, "undone edit")} can be redone.</p>}
      {edits.lost.length > 0 && <LostEdits lines={edits.lost} />}
    </div>
  );
}

function Actions() {
  const { edits } = getSummary();
  return (
    <div class="actions spaced">
      <button type="button" class="button" disabled={!edits.done.length} onClick={undo}>
        <Icon name="undo" /> Undo
      </button>
      <button type="button" class="button" disabled={!edits.undone} onClick={redo}>
        <Icon name="redo" /> Redo
      </button>
      <button
        type="button"
        class="button"
        onClick={() => {
          view.value = "factors";
        }}
      >
        Go to the {nouns.value.factors}
      </button>
    </div>
  );
}

const LostEdits = ({ lines }: { lines: string[] }) => (
  <>
    <h3>No longer applicable</h3>
    <p class="hint">The run was fitted again, and these edits had nothing left to change.</p>
    <ul class="sentences">
      {lines.map((line) => (
        <li key={line} dir="ltr">
          {line}
        </li>
      ))}
    </ul>
  </>
);
