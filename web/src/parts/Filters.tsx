// Search and filters, the same for the map and the table: a search field, a menu of filters, and chips of those set.
import { useEffect, useRef, useState } from "preact/hooks";
import { elementAt } from "../arrays";
import { clearFilters, isFiltered, setLasso, toggleDominant, toggleValue, updateQuery } from "../filters";
import { count } from "../format";
import { getSummary, lasso, nouns, query } from "../model";
import { Choice, Dot, Icon, Menu } from "./basics";

function Search() {
  const { able } = getSummary();
  const [typed, setTyped] = useState(query.value.search ?? "");
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if ((query.value.search ?? "") !== typed.trim()) setTyped(query.value.search ?? "");
  }, [query.value.search]);
  useEffect(() => {
    const wait = setTimeout(() => {
      const search = typed.trim() || undefined;
      if (search !== query.peek().search) updateQuery({ search });
    }, 220);
    return () => clearTimeout(wait);
  }, [typed]);
  const by = query.value.by ?? "words";
  return (
    <div class="search" role="search">
      <label class="search-field">
        <Icon name="search" />
        <span class="sr">Search the {nouns.value.texts}</span>
        <input
          ref={field}
          id="search"
          type="search"
          autocomplete="off"
          spellcheck={false}
          dir="auto"
          placeholder={by === "meaning" ? "Search by meaning" : `Search the ${nouns.value.texts}`}
          value={typed}
          onInput={(event) => setTyped(event.currentTarget.value)}
        />
      </label>
      {able.meaning && (
        <Choice
          label="Search by"
          value={by}
          options={[
            { value: "words", label: "Words" },
            { value: "meaning", label: "Meaning" },
          ]}
          onChange={(value) => updateQuery({ by: value === "words" ? undefined : value })}
        />
      )}
    </div>
  );
}

const asNumber = (text: string) => (text.trim() === "" || Number.isNaN(Number(text)) ? null : Number(text));

function Range({
  onSet,
  low,
  high,
  step,
}: {
  onSet: (low: number | null, high: number | null) => void;
  low?: number | null;
  high?: number | null;
  step: string;
}) {
  const [from, setFrom] = useState(low == null ? "" : String(low));
  const [to, setTo] = useState(high == null ? "" : String(high));
  const isEmptyRange = asNumber(from) !== null && asNumber(to) !== null && Number(from) > Number(to);
  const submit = (event: Event) => {
    event.preventDefault();
    if (!isEmptyRange) onSet(asNumber(from), asNumber(to));
  };
  return (
    <form class="range" onSubmit={submit}>
      <label>
        from <input type="number" step={step} value={from} onInput={(e) => setFrom(e.currentTarget.value)} />
      </label>
      <label>
        to <input type="number" step={step} value={to} onInput={(e) => setTo(e.currentTarget.value)} />
      </label>
      <button type="submit" class="button" disabled={isEmptyRange || (from === "" && to === "")}>
        Set
      </button>
      {isEmptyRange && <p class="error">“From” must not be larger than “to”.</p>}
    </form>
  );
}

function DominantFilter() {
  const { factors } = getSummary();
  const chosen = query.value.dominant ?? [];
  const shown = [...factors.filter((f) => !f.hidden).map((f) => f.index), -1];
  return (
    <fieldset class="menu-part">
      <legend>{nouns.value.dominant}</legend>
      <div class="checks short">
        {shown.map((k) => (
          <label key={k}>
            <input type="checkbox" checked={chosen.includes(k)} onChange={() => toggleDominant(k)} />
            <Dot index={k} />
            <bdi>{factors[k]?.name ?? `no ${nouns.value.factor}`}</bdi>
          </label>
        ))}
      </div>
    </fieldset>
  );
}

function FactorFilter({ close }: { close: () => void }) {
  const { factors } = getSummary();
  const [factor, setFactor] = useState(0);
  const setRange = (low: number | null, high: number | null) => {
    const others = (query.peek().factors ?? []).filter((f) => f.factor !== factor);
    updateQuery({ factors: [...others, { factor, low, high }] });
    close();
  };
  return (
    <fieldset class="menu-part">
      <legend>Score on a {nouns.value.factor}</legend>
      <select
        aria-label={nouns.value.Factors}
        value={factor}
        onChange={(e) => setFactor(Number(e.currentTarget.value))}
      >
        {factors.map((f) => (
          <option key={f.index} value={f.index}>
            {f.name}
          </option>
        ))}
      </select>
      <Range onSet={setRange} step="0.1" low={1} />
      <p class="hint">Scores are standardised: 0 is the average {nouns.value.text}, and 2 or more is rare.</p>
    </fieldset>
  );
}

function ColumnFilter({ close }: { close: () => void }) {
  const { columns } = getSummary();
  const [at, setAt] = useState(0);
  const column = elementAt(columns, at);
  const current = query.value.columns?.find((c) => c.column === at);
  const setRange = (low: number | null, high: number | null) => {
    const others = (query.peek().columns ?? []).filter((c) => c.column !== at);
    updateQuery({ columns: [...others, { column: at, low, high }] });
    close();
  };
  return (
    <fieldset class="menu-part">
      <legend>Column</legend>
      <select aria-label="Column" value={at} onChange={(e) => setAt(Number(e.currentTarget.value))}>
        {columns.map((c, i) => (
          <option key={c.name} value={i}>
            {c.name}
          </option>
        ))}
      </select>
      {column.kind === "number" ? (
        <Range
          key={at}
          onSet={setRange}
          step="any"
          low={current?.low ?? column.low}
          high={current?.high ?? column.high}
        />
      ) : (
        <div class="checks">
          {[...column.values, "missing"].map((value, i) => {
            const code = i === column.values.length ? -1 : i;
            return (
              <label key={code}>
                <input
                  type="checkbox"
                  checked={current?.values?.includes(code) ?? false}
                  onChange={() => toggleValue(at, code)}
                />
                <bdi>{value}</bdi>
              </label>
            );
          })}
        </div>
      )}
    </fieldset>
  );
}

function Chip({
  children,
  onRemove,
  label,
}: {
  children: preact.ComponentChildren;
  onRemove: () => void;
  label: string;
}) {
  return (
    <li class="chip">
      <span>{children}</span>
      <button type="button" aria-label={`Remove filter: ${label}`} onClick={onRemove}>
        <Icon name="close" />
      </button>
    </li>
  );
}

const rangeText = (low?: number | null, high?: number | null) =>
  low == null ? `at most ${high}` : high == null ? `at least ${low}` : `${low} to ${high}`;

function Chips() {
  const { factors, columns } = getSummary();
  const { rows, dominant, factors: scores, columns: filters } = query.value;
  return (
    <ul class="chips" aria-label="Filters">
      {lasso.value && (
        <Chip label="outline" onRemove={() => setLasso(null)}>
          outline on the map ({count(rows?.length ?? 0)})
        </Chip>
      )}
      {dominant?.map((k) => (
        <Chip
          key={k}
          label={factors[k]?.name ?? `no ${nouns.value.factor}`}
          onRemove={() => toggleDominant(k)}
        >
          <Dot index={k} />
          <bdi>{factors[k]?.name ?? `no ${nouns.value.factor}`}</bdi>
        </Chip>
      ))}
      {scores?.map((filter) => {
        const { name } = elementAt(factors, filter.factor);
        const remove = () => updateQuery({ factors: scores.filter((other) => other !== filter) });
        return (
          <Chip key={filter.factor} label={name} onRemove={remove}>
            <bdi>{name}</bdi>: {rangeText(filter.low, filter.high)}
          </Chip>
        );
      })}
      {filters?.map((filter) => {
        const { name, values } = elementAt(columns, filter.column);
        const remove = () => updateQuery({ columns: filters.filter((other) => other !== filter) });
        return (
          <Chip key={filter.column} label={name} onRemove={remove}>
            {name}:{" "}
            <bdi>
              {filter.values?.map((code) => values[code] ?? "missing").join(", ") ??
                rangeText(filter.low, filter.high)}
            </bdi>
          </Chip>
        );
      })}
      {isFiltered.value && (
        <li>
          <button type="button" class="link" onClick={clearFilters}>
            Clear all
          </button>
        </li>
      )}
    </ul>
  );
}

export function Filters() {
  const { columns } = getSummary();
  return (
    <div class="filters">
      <div class="filter-line">
        <Search />
        <Menu label="Filter">
          {(close) => (
            <>
              <DominantFilter />
              <FactorFilter close={close} />
              {columns.length > 0 && <ColumnFilter close={close} />}
            </>
          )}
        </Menu>
      </div>
      <Chips />
    </div>
  );
}
