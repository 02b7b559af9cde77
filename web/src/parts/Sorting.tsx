// The order of the texts, also by what the table has no column for, such as the scores on any factor.
import type { Sort } from "../contract";
import { getSummary, nouns, query } from "../model";

export function Sorting() {
  const { columns, factors } = getSummary();
  const { sort, by, search } = query.value;
  const choose = (option: string) => {
    const [kind, position] = option.split(":");
    const at = position === undefined ? undefined : Number(position);
    const isNumeric =
      kind === "factor" || (kind === "column" && at !== undefined && columns[at]?.kind === "number");
    const chosen = { by: kind as Sort["by"], at, down: isNumeric }; // numbers from the largest down
    query.value = { ...query.value, sort: option ? chosen : undefined };
  };
  return (
    <div class="sorting">
      <label class="field">
        <span>Sort by</span>
        <select
          value={sort ? [sort.by, sort.at].filter((part) => part !== undefined).join(":") : ""}
          onChange={(e) => choose(e.currentTarget.value)}
        >
          <option value="">{by === "meaning" && search ? "match" : "source order"}</option>
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
          <optgroup label={`Score on a ${nouns.value.factor}`}>
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
          aria-label={sort.down ? "Sort ascending" : "Sort descending"}
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
