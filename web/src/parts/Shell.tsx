// What surrounds every view: navigation, theme, help, notices, shortcuts.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { type Theme, theme } from "../colour";
import { redo, syncEdits, undo } from "../edits";
import { count, plural } from "../format";
import { MapView } from "../map/MapView";
import {
  countVisibleFactors,
  failure,
  getSummary,
  notice,
  nouns,
  selectedFactor,
  selectedRow,
  source,
  summary,
  type View,
  view,
} from "../model";
import { About } from "../views/About";
import { Compare } from "../views/Compare";
import { Edits } from "../views/Edits";
import { Export } from "../views/Export";
import { Factors } from "../views/Factors";
import { Runs } from "../views/Runs";
import { Texts } from "../views/Texts";
import { Failure, Icon, Loading, Modal } from "./basics";

const VIEW_COMPONENTS: Record<View, () => ComponentChildren> = {
  map: () => <MapView />,
  factors: () => <Factors />,
  texts: () => <Texts />,
  compare: () => <Compare />,
  runs: () => <Runs />,
  edits: () => <Edits />,
  export: () => <Export />,
  about: () => <About />,
};

function availableViews(): { view: View; label: string }[] {
  const { able, edits, columns, kind, runs } = getSummary();
  const noun = nouns.value;
  const all: { view: View; label: string; isAvailable: boolean }[] = [
    { view: "map", label: "Map", isAvailable: true },
    { view: "factors", label: noun.Factors, isAvailable: true },
    { view: "texts", label: noun.Texts, isAvailable: true },
    { view: "compare", label: "Compare", isAvailable: columns.length > 0 },
    { view: "runs", label: "Runs", isAvailable: kind === "texts" && (runs.length > 0 || source.served) },
    { view: "edits", label: "Edits", isAvailable: able.edit || edits.done.length > 0 },
    { view: "export", label: "Export", isAvailable: true },
    { view: "about", label: "About", isAvailable: true },
  ];
  return all.filter(({ isAvailable }) => isAvailable);
}

const THEMES: Record<Theme, { next: Theme; icon: string; label: string }> = {
  auto: { next: "light", icon: "auto", label: "Theme: system" },
  light: { next: "dark", icon: "sun", label: "Theme: light" },
  dark: { next: "auto", icon: "moon", label: "Theme: dark" },
};

function Sidebar({ onHelp }: { onHelp: () => void }) {
  const { goal, kind, n_texts } = getSummary();
  const noun = nouns.value;
  return (
    <header class="side">
      <div class="side-head">
        <p class="brand">goalspace</p>
        <p class="goal" dir="auto" title={goal}>
          {goal}
        </p>
        <p class="quiet size">
          {plural(n_texts, noun.text, noun.texts)},{" "}
          {kind === "texts"
            ? plural(countVisibleFactors(), noun.factor, noun.factors)
            : `${count(countVisibleFactors())} ${noun.shown}`}
        </p>
      </div>
      <Navigation />
      <Tools onHelp={onHelp} />
    </header>
  );
}

function Navigation() {
  const nav = useRef<HTMLElement>(null);
  useEffect(() => {
    nav.current?.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  }, [view.value]);
  return (
    <nav aria-label="Views" ref={nav}>
      <ul>
        {availableViews().map(({ view: target, label }, i) => (
          <li key={target}>
            <button
              type="button"
              data-key={i + 1}
              aria-current={view.value === target ? "page" : undefined}
              onClick={() => {
                view.value = target;
              }}
            >
              <Icon name={target} />
              <span>{label}</span>
            </button>
          </li>
        ))}
      </ul>
    </nav>
  );
}

interface ToolProps {
  icon: string;
  label: string;
  hint?: string;
  disabled?: boolean;
  onClick: () => void;
}
const Tool = ({ icon, label, hint = label, disabled, onClick }: ToolProps) => (
  <button
    type="button"
    class="icon-button"
    aria-label={label}
    title={hint}
    disabled={disabled}
    onClick={onClick}
  >
    <Icon name={icon} />
  </button>
);

function Tools({ onHelp }: { onHelp: () => void }) {
  const { able, edits } = getSummary();
  const { icon, label, next } = THEMES[theme.value];
  const setTheme = () => {
    theme.value = next;
  };
  return (
    <div class="side-tools">
      {able.edit && (
        <>
          <Tool icon="undo" label="Undo" hint="Undo (Ctrl+Z)" disabled={!edits.done.length} onClick={undo} />
          <Tool icon="redo" label="Redo" hint="Redo (Ctrl+Shift+Z)" disabled={!edits.undone} onClick={redo} />
        </>
      )}
      <Tool icon={icon} label={label} onClick={setTheme} />
      <Tool icon="help" label="Keyboard shortcuts" hint="Keyboard shortcuts (?)" onClick={onHelp} />
    </div>
  );
}

function Help({ onClose }: { onClose: () => void }) {
  const keys: [string, string][] = [
    ["1 … 8", "go to a view"],
    ["/", `search the ${nouns.value.texts}`],
    ["↑ ↓ or j k", "move through a list"],
    ["Enter", `open the ${nouns.value.text}`],
    ["Esc", "close what is open"],
    ["arrows, + −, 0", "on the map: move, zoom, show all"],
    ["L, or Shift and drag", "on the map: draw an outline"],
    ["Ctrl Z, Ctrl Shift Z", "undo and redo an edit"],
    ["t", "switch the theme: light, dark, system"],
    ["?", "show this list"],
  ];
  return (
    <Modal title="Keyboard shortcuts" onClose={onClose}>
      <dl class="keys">
        {keys.map(([key, does]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
    </Modal>
  );
}

function useShortcuts(onHelp: () => void) {
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      const typing = target.matches("input:not([type=checkbox]):not([type=radio]), textarea, select");
      if (document.querySelector("dialog[open]") || !summary.peek()) return;
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z" && !typing) {
        event.preventDefault();
        (event.shiftKey ? redo : undo)();
        return;
      }
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "Escape") {
        if (target.matches("[type=search]:not(:placeholder-shown)")) return; // the browser clears it
        if (typing) target.blur();
        else if (selectedRow.peek() !== null) selectedRow.value = null;
        else if (view.peek() === "factors") selectedFactor.value = null;
        return;
      }
      if (typing) return;
      const numbered = /^[1-8]$/.test(event.key) ? availableViews()[Number(event.key) - 1] : undefined;
      if (numbered) view.value = numbered.view;
      else if (event.key === "?") onHelp();
      else if (event.key === "t") theme.value = THEMES[theme.peek()].next;
      else if (event.key === "/") {
        if (view.peek() !== "map") view.value = "texts";
        selectedRow.value = null;
        requestAnimationFrame(() => document.getElementById("search")?.focus());
      } else return;
      event.preventDefault();
    };
    addEventListener("keydown", onKeyDown);
    return () => removeEventListener("keydown", onKeyDown);
  }, []);
}

/** Brings the factors up to date when the reader returns to this tab. */
function useSyncOnFocus() {
  useEffect(() => {
    addEventListener("focus", syncEdits);
    return () => removeEventListener("focus", syncEdits);
  }, []);
}

function Notice() {
  useEffect(() => {
    if (!notice.value) return;
    const wait = setTimeout(() => {
      notice.value = null;
    }, 6000);
    return () => clearTimeout(wait);
  }, [notice.value]);
  return (
    <div class="notice" role="status" data-on={notice.value !== null}>
      {notice.value}
    </div>
  );
}

export function App() {
  const [help, setHelp] = useState(false);
  useShortcuts(() => setHelp(true));
  useSyncOnFocus();
  useEffect(() => {
    if (summary.value) document.title = `${summary.value.goal} · goalspace`;
  }, [summary.value]);
  if (failure.value)
    return (
      <main class="lonely">
        <h1>goalspace</h1>
        <Failure error={failure.value} onRetry={() => location.reload()} />
      </main>
    );
  if (!summary.value)
    return (
      <main class="lonely">
        <h1>goalspace</h1>
        <Loading what="Opening the run" />
      </main>
    );
  const label = availableViews().find((available) => available.view === view.value)?.label;
  return (
    <>
      <button type="button" class="skip" onClick={() => document.getElementById("main")?.focus()}>
        Skip to content
      </button>
      <div class="app">
        <Sidebar onHelp={() => setHelp(true)} />
        <main id="main" tabIndex={-1} data-view={view.value}>
          <h1 class="sr">
            {summary.value.goal}: {label}
          </h1>
          {label ? VIEW_COMPONENTS[view.value]() : <p class="state">This run has nothing to show here.</p>}
        </main>
      </div>
      <Notice />
      {help && <Help onClose={() => setHelp(false)} />}
    </>
  );
}
