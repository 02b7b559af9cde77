// The small parts every view is made of: icons, buttons, states, dialogs, menus, bars.
import type { ComponentChildren } from "preact";
import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { cssColour, diverging, paletteVariable } from "../colour";
import { signed } from "../format";
import { errorMessage, nouns, summary } from "../model";
import { openFactor } from "../navigation";

const PATHS: Record<string, string> = {
  map: "M4 5h.01M9 10h.01M14 4h.01M5 14h.01M13 13h.01M16 9h.01M10 16h.01",
  factors: "M3 5h14M3 10h9M3 15h5",
  texts: "M3 4h14M3 8h14M3 12h14M3 16h8",
  compare: "M3 3h6v6H3zM11 3h6v6h-6zM3 11h6v6H3zM11 11h6v6h-6z",
  runs: "M7.5 5a5 5 0 1 0 0 10 5 5 0 0 0 0-10M12.5 5a5 5 0 1 1 0 10 5 5 0 0 1 0-10",
  edits: "M4 16l1-4 8-8 3 3-8 8zM11.5 5.5l3 3",
  export: "M10 3v9M6 8.5l4 4 4-4M4 16h12",
  about: "M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14M10 9v4.5M10 6.4v.2",
  close: "M5 5l10 10M15 5L5 15",
  plus: "M10 4v12M4 10h12",
  minus: "M4 10h12",
  whole: "M3 7V3h4M13 3h4v4M17 13v4h-4M7 17H3v-4",
  lasso:
    "M10 4c4 0 7 2 7 4.6S14 13 10 13 3 11 3 8.500 6 4 10 4M6 12.500c-1 1 0 2.500 1.500 2s0-2.500-1.500-2M7.500 14.500c1 2 0 3-1 3",
  down: "M5 8l5 5 5-5",
  search: "M9 4a5 5 0 1 0 0 10A5 5 0 0 0 9 4M12.700 12.700L17 17",
  sun: "M10 6.500a3.500 3.500 0 1 0 0 7 3.500 3.500 0 0 0 0-7M10 2v1.500M10 16.500V18M2 10h1.500M16.500 10H18M4.300 4.300l1.100 1.100M14.600 14.600l1.100 1.100M4.300 15.700l1.100-1.100M14.600 5.400l1.100-1.100",
  moon: "M16 11.500A6.500 6.500 0 0 1 8.500 4a6.500 6.500 0 1 0 7.500 7.500",
  auto: "M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14M10 3v14M10 5.500h3.500M10 8.500h6M10 11.500h6M10 14.500h3.500",
  help: "M7 7.500C7 5.500 8.300 4.500 10 4.500s3 1 3 2.700c0 2-3 2.300-3 4.300M10 15v.2",
  undo: "M7 4L3.500 7.500 7 11M4 7.500h8a4 4 0 0 1 0 8H8",
  redo: "M13 4l3.500 3.500L13 11M16 7.500H8a4 4 0 0 0 0 8h4",
  link: "M8 12l4-4M9 6l1.500-1.500a3.500 3.500 0 0 1 5 5L14 11M11 14l-1.500 1.500a3.500 3.500 0 0 1-5-5L6 9",
};
export const Icon = ({ name }: { name: string }) => (
  <svg class="icon" viewBox="0 0 20 20" aria-hidden="true" focusable="false">
    <path d={PATHS[name]} />
  </svg>
);

export const Dot = ({ index }: { index: number }) => (
  <span class="dot" style={{ background: paletteVariable(index) }} aria-hidden="true" />
);

/** A factor's name as a button to its card. */
export function FactorLink({ index, quiet = false }: { index: number; quiet?: boolean }) {
  const factor = summary.value?.factors[index];
  if (!factor) return <span class="quiet">no {nouns.value.factor}</span>;
  return (
    <button
      type="button"
      class={quiet ? "factor-link quiet" : "factor-link"}
      onClick={() => openFactor(index)}
    >
      <Dot index={index} />
      <bdi>{factor.name}</bdi>
    </button>
  );
}

export const Empty = ({ children }: { children: ComponentChildren }) => <p class="state">{children}</p>;
export const Loading = ({ what = "Loading" }: { what?: string }) => (
  <p class="state loading" role="status">
    {what}…
  </p>
);
export const Failure = ({ error, onRetry }: { error: string; onRetry?: () => void }) => (
  <div class="state failed" role="alert">
    <p>{error}</p>
    {onRetry && (
      <button type="button" class="button" onClick={onRetry}>
        Try again
      </button>
    )}
  </div>
);

/** A value from -max to max as a bar from the middle, with the number beside it. */
export function SignedBar({ value, max, digits = 2 }: { value: number; max: number; digits?: number }) {
  const part = Math.min(Math.abs(value) / (max || 1), 1);
  const fill = cssColour(diverging(value < 0 ? -0.75 : 0.75));
  return (
    <span class="signed">
      <span class="signed-track" aria-hidden="true">
        <span
          class="signed-fill"
          style={{ width: `${50 * part}%`, left: value < 0 ? `${50 - 50 * part}%` : "50%", background: fill }}
        />
      </span>
      <span class="number">{signed(value, digits)}</span>
    </span>
  );
}
export const Bar = ({ part, index }: { part: number; index: number }) => (
  <span class="bar" aria-hidden="true">
    <span
      class="bar-fill"
      style={{ width: `${100 * Math.min(part, 1)}%`, background: paletteVariable(index) }}
    />
  </span>
);

interface SparklineProps {
  values: (number | null)[];
  index: number;
  label: string;
}
/** A line over periods; those without texts are skipped. */
export function Sparkline({ values, index, label }: SparklineProps) {
  const [width, height] = [84, 20];
  const known = values.flatMap((value, at) => (value === null ? [] : [{ value, at }]));
  const top = Math.max(...known.map(({ value }) => value), 1e-9);
  const x = (at: number) => 2 + (at / Math.max(values.length - 1, 1)) * (width - 4);
  const y = (value: number) => height - 2 - (value / top) * (height - 4);
  const points = known.map(({ value, at }) => `${x(at).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
  const last = known.at(-1);
  return (
    <svg class="sparkline" viewBox={`0 0 ${width} ${height}`} role="img" aria-label={label}>
      <polyline
        points={points}
        fill="none"
        stroke={paletteVariable(index)}
        stroke-width="1.5"
        stroke-linejoin="round"
      />
      {last && <circle cx={x(last.at)} cy={y(last.value)} r="2" fill={paletteVariable(index)} />}
    </svg>
  );
}

interface ModalProps {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
  wide?: boolean;
}
export function Modal({ title, onClose, children, wide = false }: ModalProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useEffect(() => {
    const before = document.activeElement;
    dialog.current?.showModal();
    return () => (before instanceof HTMLElement || before instanceof SVGElement) && before.focus();
  }, []);
  const outside = (event: MouseEvent) => event.target === dialog.current && onClose();
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape closes a dialog by itself
    <dialog
      ref={dialog}
      class={wide ? "modal wide" : "modal"}
      aria-labelledby={heading}
      onClose={onClose}
      onClick={outside}
    >
      <div class="modal-body">
        <header>
          <h2 id={heading}>{title}</h2>
          <button type="button" class="icon-button" aria-label="Close" onClick={onClose}>
            <Icon name="close" />
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}

interface MenuProps {
  label: string;
  children: (close: () => void) => ComponentChildren;
  class?: string;
}

/** Keeps a panel inside the window: it opens to the other side or upwards, or it scrolls. */
function keepInWindow(panel: HTMLElement) {
  const { left, top } = panel.getBoundingClientRect();
  if (left < 8) panel.classList.add("start");
  const below = innerHeight - top - 8;
  const ceiling = document.getElementById("main")?.getBoundingClientRect().top ?? 0;
  const above = (panel.parentElement?.getBoundingClientRect().top ?? 0) - ceiling - 8;
  const upwards = below < Math.min(panel.scrollHeight, 220) && above > below;
  if (upwards) panel.classList.add("up");
  panel.style.maxHeight = `${upwards ? above : below}px`;
}

/** A button with a panel below it; Escape and a click elsewhere close it. */
export function Menu({ label, children, class: extra = "" }: MenuProps) {
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const panel = useId();
  const button = useRef<HTMLButtonElement>(null);
  const sheet = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    if (open && sheet.current) keepInWindow(sheet.current);
  }, [open]);
  const close = () => {
    setOpen(false);
    button.current?.focus();
  };
  useEffect(() => {
    if (!open) return;
    const outside = (event: Event) => {
      if (!root.current?.contains(event.target as Node)) setOpen(false);
    };
    const onEscape = (event: KeyboardEvent) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      close();
    };
    document.addEventListener("pointerdown", outside);
    document.addEventListener("keydown", onEscape, true);
    return () => {
      document.removeEventListener("pointerdown", outside);
      document.removeEventListener("keydown", onEscape, true);
    };
  }, [open]);
  return (
    <div class="menu" ref={root}>
      <button
        ref={button}
        type="button"
        class={`button ${extra}`}
        aria-expanded={open}
        aria-controls={open ? panel : undefined}
        onClick={() => setOpen(!open)}
      >
        {label}
        <Icon name="down" />
      </button>
      {open && (
        <div class="menu-panel" ref={sheet} id={panel} role="group" aria-label={label}>
          {children(close)}
        </div>
      )}
    </div>
  );
}

interface ChoiceProps<T extends string> {
  label: string;
  value: T;
  options: { value: T; label: string }[];
  onChange: (value: T) => void;
}
/** A few exclusive options side by side. */
export function Choice<T extends string>({ label, value, options, onChange }: ChoiceProps<T>) {
  const name = useId();
  return (
    <fieldset class="choice">
      <legend class="sr">{label}</legend>
      {options.map((option) => (
        <label key={option.value} class={option.value === value ? "on" : ""}>
          <input
            type="radio"
            class="sr"
            name={name}
            checked={option.value === value}
            onChange={() => onChange(option.value)}
          />
          {option.label}
        </label>
      ))}
    </fieldset>
  );
}

/** Runs an action, and tells whether it is running and the message of the error it threw. */
export function useAction() {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState("");
  const run = async (action: () => Promise<unknown>) => {
    setBusy(true);
    setError("");
    try {
      await action();
      return true;
    } catch (thrown) {
      setError(errorMessage(thrown));
      return false;
    } finally {
      setBusy(false);
    }
  };
  return { busy, error, run };
}

export const ActionError = ({ error }: { error: string }) =>
  error ? (
    <p class="error" role="alert">
      {error}
    </p>
  ) : null;
