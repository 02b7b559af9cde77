// A list of many rows of equal height, of which only the visible ones are in the page.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

interface Props {
  total: number;
  height: number; // of a row, in pixels
  label: string;
  class?: string;
  /** The row that is focused, or will be by the Tab key. */
  at: number;
  onMove: (at: number) => void;
  onOpen: (at: number) => void;
  /** Called with the first and the last row that are in the page. */
  onSee: (from: number, to: number) => void;
  row: (at: number) => ComponentChildren;
  isOpen: (at: number) => boolean;
  head?: ComponentChildren;
}

const LIMIT = 12_000_000; // pixels that browsers lay out without losing rows
const MARGIN = 4; // rows in the page above and below those in view

/** What part of a scrolled element is in view. */
function useScroll(box: { current: HTMLElement | null }) {
  const [seen, setSeen] = useState({ top: 0, height: 600 });
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const read = () => setSeen({ top: element.scrollTop, height: element.clientHeight });
    const observer = new ResizeObserver(read);
    observer.observe(element);
    element.addEventListener("scroll", read, { passive: true });
    return () => {
      observer.disconnect();
      element.removeEventListener("scroll", read);
    };
  }, []);
  return seen;
}

/** Scrolls just as far as needed for a row to be in view, below the header. */
function scrollToRow(box: HTMLElement, at: number, height: number) {
  const header = box.querySelector<HTMLElement>(".rows-head")?.offsetHeight ?? 0;
  const [top, bottom] = [at * height, (at + 1) * height];
  if (top < box.scrollTop) box.scrollTop = top;
  else if (bottom > box.scrollTop + box.clientHeight - header)
    box.scrollTop = bottom - box.clientHeight + header;
}

function targetOf(key: string, at: number, page: number, last: number): number | undefined {
  const targets: Record<string, number> = {
    ArrowDown: at + 1,
    ArrowUp: at - 1,
    j: at + 1,
    k: at - 1,
    PageDown: at + page,
    PageUp: at - page,
    Home: 0,
    End: last,
  };
  return targets[key];
}

export function Rows(props: Props) {
  const { total, height, at, onMove, onOpen, onSee } = props;
  const box = useRef<HTMLDivElement>(null);
  const seen = useScroll(box);
  const shown = Math.min(total, Math.floor(LIMIT / height));
  const from = Math.max(0, Math.floor(seen.top / height) - MARGIN);
  const to = Math.min(shown, Math.ceil((seen.top + seen.height) / height) + MARGIN);
  useEffect(() => {
    if (to > from) onSee(from, to - 1);
  }, [from, to, total]);

  // keys may come faster than renders
  const cursor = useRef(at);
  cursor.current = at;
  const moveTo = (target: number) => {
    const element = box.current;
    if (!element || shown === 0) return;
    const next = Math.min(Math.max(target, 0), shown - 1);
    scrollToRow(element, next, height);
    cursor.current = next;
    onMove(next);
    const find = () => element.querySelector<HTMLElement>(`[data-at="${next}"]`);
    const row = find();
    if (row) row.focus();
    else requestAnimationFrame(() => find()?.focus());
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target instanceof Element && event.target.closest(".rows-head")) return; // its buttons take their own keys
    const page = Math.max(1, Math.floor(seen.height / height) - 1);
    const target = targetOf(event.key, cursor.current, page, shown - 1);
    if (target !== undefined) moveTo(target);
    else if (event.key === "Enter") onOpen(cursor.current);
    else return;
    event.preventDefault();
  };
  const current = Math.min(Math.max(at, 0), Math.max(shown - 1, 0));
  const focusable = current >= from && current < to ? current : from;
  return (
    <div
      ref={box}
      class={`rows ${props.class ?? ""}`}
      role="grid"
      aria-label={props.label}
      aria-rowcount={total}
      onKeyDown={onKeyDown}
    >
      {props.head && (
        <div class="rows-head" role="row">
          {props.head}
        </div>
      )}
      <div class="rows-all" role="rowgroup" style={{ height: `${shown * height}px` }}>
        <VisibleRows from={from} to={to} focusable={focusable} {...props} />
      </div>
    </div>
  );
}

/** The rows `from` up to, not including, `to`; one of them can be reached with the Tab key. */
function VisibleRows(props: Props & { from: number; to: number; focusable: number }) {
  const { from, to, focusable, height, isOpen, onMove, onOpen } = props;
  return Array.from({ length: Math.max(to - from, 0) }, (_, i) => from + i).map((i) => (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the grid answers the keys of its rows
    <div
      key={i}
      role="row"
      class={isOpen(i) ? "row on" : "row"}
      aria-rowindex={i + 1}
      aria-selected={isOpen(i)}
      data-at={i}
      tabIndex={i === focusable ? 0 : -1}
      style={{ transform: `translateY(${i * height}px)`, height: `${height}px` }}
      onClick={() => {
        onMove(i);
        onOpen(i);
      }}
    >
      {props.row(i)}
    </div>
  ));
}
