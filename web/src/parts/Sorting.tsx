// The order of the texts, also by what their table has no head for: columns in the narrow, scores of any factor.
import type { Query } from "../contract";
import { getSummary, nouns, query } from "../model";

type Sort = NonNullable<Query["sort"]>;

export function Sorting() {
  const { columns, factors } = getSummary();
  const { sort, by, search } = query.value;
  const set = (text: string) => {
    const [kind, at] = text.split(":");
    const number = kind === "factor" || (kind === "column" && columns[Number(at)].kind === "number");
    const next = { by: kind as Sort["by"], at: at === undefined ? undefined : Number(at), down: number };
    query.value = { ...query.value, sort: text ? next : undefined };
  };
  return (
    <div class="sorting">
      <label class="field">
        <span>Sort by</span>
        <select
          value={sort ? [sort.by, sort.at].filter((part) => part !== undefined).join(":") : ""}
          onChange={(e) => set(e.currentTarget.value)}
        >
          <option value="">{by === "meaning" && search ? "match" : "order of the source"}</option>
          <option value="id">id</option>
          <option value="length">length</option>
          {columns.length > 0 && (
            <optgroup label="Column">
              {columns.map((c, at) => (
                <option key={c.name} value={`column:${at}`}>
                  {c.name}
                </option>
              ))}
            </optgroup>
          )}
          <optgroup label={`Score on one ${nouns.value.factor}`}>
            {factors.map((f) => (
              <option key={f.index} value={`factor:${f.index}`}>
                {f.name}
              </option>
            ))}
          </optgroup>
        </select>
      </label>
      {sort && (
        <button
          type="button"
          class="button small"
          aria-label={sort.down ? "Sort upwards" : "Sort downwards"}
          onClick={() => {
            query.value = { ...query.value, sort: { ...sort, down: !sort.down } };
          }}
        >
          {sort.down ? "↓" : "↑"}
        </button>
      )}
    </div>
  );
}
