// The edits of a factor and of a property, each a small dialog that says what will happen.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { Edit, Factor } from "../contract";
import { applyEdit } from "../edits";
import { getSummary, nouns } from "../model";
import { ActionError, Dot, Menu, Modal, useAction } from "../parts/basics";

interface FormProps {
  title: string;
  action: string;
  make: () => Edit | null;
  message: string;
  onClose: () => void;
  children: ComponentChildren;
}
function EditForm({ title, action, make, message, onClose, children }: FormProps) {
  const { busy, error, run } = useAction();
  const edit = make();
  const submit = async (event: Event) => {
    event.preventDefault();
    if (edit && !busy && (await run(() => applyEdit(edit, message)))) onClose();
  };
  return (
    <Modal title={title} onClose={onClose}>
      <form class="form" onSubmit={submit}>
        {children}
        <ActionError error={error} />
        <div class="actions end">
          <button type="button" class="button" onClick={onClose}>
            Cancel
          </button>
          {/* not disabled while it works, or the keyboard would leave it */}
          <button type="submit" class="button primary" disabled={!edit} aria-busy={busy}>
            {busy ? "Working…" : action}
          </button>
        </div>
      </form>
    </Modal>
  );
}

function Rename({ factor, onClose }: { factor: Factor; onClose: () => void }) {
  const [name, setName] = useState(factor.name);
  const [description, setDescription] = useState(factor.description);
  const { limits } = getSummary();
  const make = (): Edit | null =>
    name.trim()
      ? { do: "rename", factor: factor.index, name: name.trim(), description: description.trim() }
      : null;
  return (
    <EditForm
      title={`Rename the ${nouns.value.factor}`}
      action="Rename"
      make={make}
      message="Renamed."
      onClose={onClose}
    >
      <label class="field">
        <span>Name</span>
        <input
          dir="auto"
          maxLength={limits.name}
          value={name}
          onInput={(e) => setName(e.currentTarget.value)}
        />
      </label>
      <label class="field">
        <span>Description</span>
        <textarea
          dir="auto"
          rows={3}
          maxLength={limits.description}
          value={description}
          onInput={(e) => setDescription(e.currentTarget.value)}
        />
      </label>
    </EditForm>
  );
}

function Merge({ factor, onClose }: { factor: Factor; onClose: () => void }) {
  const { factors, limits } = getSummary();
  const noun = nouns.value;
  const [others, setOthers] = useState<number[]>([]);
  const [name, setName] = useState("");
  const near = new Map(factor.related.map(({ factor: k, r }) => [k, r]));
  const choices = factors
    .filter((f) => f.index !== factor.index)
    .sort((a, b) => (near.get(b.index) ?? 0) - (near.get(a.index) ?? 0));
  const toggle = (k: number) =>
    setOthers(others.includes(k) ? others.filter((o) => o !== k) : [...others, k]);
  const make = (): Edit | null =>
    others.length
      ? { do: "merge", factors: [factor.index, ...others], ...(name.trim() ? { name: name.trim() } : {}) }
      : null;
  return (
    <EditForm
      title={`Merge “${factor.name}” with …`}
      action="Merge"
      make={make}
      message="Merged."
      onClose={onClose}
    >
      <fieldset class="checks tall">
        <legend>Merge with (most related first)</legend>
        {choices.map((f) => (
          <label key={f.index}>
            <input type="checkbox" checked={others.includes(f.index)} onChange={() => toggle(f.index)} />
            <Dot index={f.index} />
            <bdi>{f.name}</bdi>
          </label>
        ))}
      </fieldset>
      <label class="field">
        <span>New name (optional)</span>
        <input
          dir="auto"
          maxLength={limits.name}
          value={name}
          onInput={(e) => setName(e.currentTarget.value)}
        />
      </label>
      <p class="hint">
        The merged {noun.factor} takes the mean direction of their {noun.texts}. Every {noun.text} is then
        assigned to its strongest {noun.factor} again, so the number of {noun.texts} may differ from their
        sum.
      </p>
    </EditForm>
  );
}

function Split({ factor, onClose }: { factor: Factor; onClose: () => void }) {
  const [into, setInto] = useState(2);
  const { limits } = getSummary();
  const make = (): Edit | null =>
    into >= 2 && into <= limits.parts ? { do: "split", factor: factor.index, into } : null;
  return (
    <EditForm title={`Split “${factor.name}”`} action="Split" make={make} message="Split." onClose={onClose}>
      <label class="field">
        <span>Number of parts</span>
        <input
          type="number"
          min={2}
          max={limits.parts}
          value={into}
          onInput={(e) => setInto(Number(e.currentTarget.value))}
        />
      </label>
      <p class="hint">Its {factor.n_properties} properties are grouped by which of them occur together.</p>
    </EditForm>
  );
}

function AddProperty({ factor, onClose }: { factor: Factor; onClose: () => void }) {
  const [property, setProperty] = useState("");
  const { limits } = getSummary();
  const make = (): Edit | null =>
    property.trim() ? { do: "add", property: property.trim(), to: factor.index } : null;
  return (
    <EditForm
      title={`Add a property to “${factor.name}”`}
      action="Add"
      make={make}
      message="Added."
      onClose={onClose}
    >
      <label class="field">
        <span>The property, in your own words</span>
        <input
          dir="auto"
          maxLength={limits.name}
          value={property}
          onInput={(e) => setProperty(e.currentTarget.value)}
        />
      </label>
      <p class="hint">Every {nouns.value.text} will be scored against it.</p>
    </EditForm>
  );
}

export function FactorActions({ factor }: { factor: Factor }) {
  const [open, setOpen] = useState<"rename" | "merge" | "split" | "add" | null>(null);
  const { error, run } = useAction();
  const close = () => setOpen(null);
  const hide = () =>
    run(() =>
      applyEdit(
        { do: "hide", factor: factor.index, hidden: !factor.hidden },
        factor.hidden ? "Shown again." : "Hidden.",
      ),
    );
  const items = [
    { what: "rename", label: "Rename…" },
    { what: "merge", label: "Merge…" },
    { what: "split", label: "Split…" },
    { what: "add", label: "Add a property…" },
  ] as const;
  return (
    <>
      <Menu label="Edit">
        {(done) => (
          <div class="menu-list">
            {items.map(({ what, label }) => (
              <button
                key={what}
                type="button"
                onClick={() => {
                  done();
                  setOpen(what);
                }}
              >
                {label}
              </button>
            ))}
            <button
              type="button"
              onClick={() => {
                done();
                hide();
              }}
            >
              {factor.hidden ? "Show again" : "Hide"}
            </button>
          </div>
        )}
      </Menu>
      <ActionError error={error} />
      {open === "rename" && <Rename factor={factor} onClose={close} />}
      {open === "merge" && <Merge factor={factor} onClose={close} />}
      {open === "split" && <Split factor={factor} onClose={close} />}
      {open === "add" && <AddProperty factor={factor} onClose={close} />}
    </>
  );
}

function Move({ property, factor, onClose }: { property: string; factor: number; onClose: () => void }) {
  const { factors } = getSummary();
  const [to, setTo] = useState("");
  const make = (): Edit | null =>
    to === "" ? null : { do: "move", property, to: to === "none" ? null : Number(to) };
  return (
    <EditForm title={`Move “${property}”`} action="Move" make={make} message="Moved." onClose={onClose}>
      <label class="field">
        <span>To</span>
        <select value={to} onChange={(e) => setTo(e.currentTarget.value)}>
          <option value="">Choose a {nouns.value.factor}</option>
          {factors
            .filter((f) => f.index !== factor)
            .map((f) => (
              <option key={f.index} value={f.index}>
                {f.name}
              </option>
            ))}
          <option value="none">no {nouns.value.factor}</option>
        </select>
      </label>
    </EditForm>
  );
}

export function PropertyActions({ property, factor }: { property: string; factor: number }) {
  const [open, setOpen] = useState(false);
  const { error, run } = useAction();
  return (
    <>
      <Menu label={`Edit ${property}`} class="icon-only">
        {(done) => (
          <div class="menu-list">
            <button
              type="button"
              onClick={() => {
                done();
                setOpen(true);
              }}
            >
              Move…
            </button>
            <button
              type="button"
              onClick={() => {
                done();
                run(() => applyEdit({ do: "remove", property }, "Removed."));
              }}
            >
              Remove
            </button>
          </div>
        )}
      </Menu>
      <ActionError error={error} />
      {open && <Move property={property} factor={factor} onClose={() => setOpen(false)} />}
    </>
  );
}
