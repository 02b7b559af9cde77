// A list of many rows of one height of which only those in sight are in the page.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

interface Props {
  total: number;
  height: number;
  label: string;
  columns?: string[];
  class?: string;
  /** The row the keyboard is on. */
  at: number;
  onMove: (at: number) => void;
  onOpen: (at: number) => void;
  onSee: (from: number, to: number) => void;
  row: (at: number) => ComponentChildren;
  isOpen: (at: number) => boolean;
  head?: ComponentChildren;
}

const LIMIT = 12_000_000; // pixels: what browsers lay out without losing rows

export function Rows({
  total,
  height,
  label,
  class: extra = "",
  at,
  onMove,
  onOpen,
  onSee,
  row,
  isOpen,
  head,
}: Props) {
  const box = useRef<HTMLDivElement>(null);
  const [seen, setSeen] = useState({ top: 0, height: 600 });
  const shown = Math.min(total, Math.floor(LIMIT / height));
  const from = Math.max(0, Math.floor(seen.top / height) - 4);
  const to = Math.min(shown, Math.ceil((seen.top + seen.height) / height) + 4);

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
  useEffect(() => {
    if (to > from) onSee(from, to - 1);
  }, [from, to, total]);

  // keys may come faster than renders
  const cursor = useRef(at);
  cursor.current = at;
  const go = (next: number) => {
    const wanted = Math.min(Math.max(next, 0), shown - 1);
    const element = box.current;
    if (!element || shown === 0) return;
    const header = element.querySelector<HTMLElement>(".rows-head")?.offsetHeight ?? 0;
    if (wanted * height < element.scrollTop) element.scrollTop = wanted * height;
    else if ((wanted + 1) * height > element.scrollTop + element.clientHeight - header)
      element.scrollTop = (wanted + 1) * height - element.clientHeight + header;
    cursor.current = wanted;
    onMove(wanted);
    const target = () => element.querySelector<HTMLElement>(`[data-at="${wanted}"]`);
    const there = target();
    if (there) there.focus();
    else requestAnimationFrame(() => target()?.focus());
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const page = Math.max(1, Math.floor(seen.height / height) - 1);
    const steps: Record<string, number> = {
      ArrowDown: cursor.current + 1,
      ArrowUp: cursor.current - 1,
      j: cursor.current + 1,
      k: cursor.current - 1,
      PageDown: cursor.current + page,
      PageUp: cursor.current - page,
      Home: 0,
      End: shown - 1,
    };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target instanceof Element && event.target.closest(".rows-head")) return; // its buttons sort
    if (event.key in steps) go(steps[event.key]);
    else if (event.key === "Enter") onOpen(cursor.current);
    else return;
    event.preventDefault();
  };
  const current = Math.min(Math.max(at, 0), Math.max(shown - 1, 0));
  const focusable = current >= from && current < to ? current : from;
  return (
    <div
      ref={box}
      class={`rows ${extra}`}
      role="grid"
      aria-label={label}
      aria-rowcount={total}
      onKeyDown={onKeyDown}
    >
      {head && (
        <div class="rows-head" role="row">
          {head}
        </div>
      )}
      <div class="rows-all" role="rowgroup" style={{ height: `${shown * height}px` }}>
        {Array.from({ length: Math.max(to - from, 0) }, (_, i) => from + i).map((i) => (
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
            {row(i)}
          </div>
        ))}
      </div>
    </div>
  );
}
