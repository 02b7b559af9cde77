// Factors by a column: where they are more frequent or stronger, tested; two groups side by side; over time.
import { memoise } from "../cache";
import type { Comparison, Group, OverTime as Measured } from "../contract";
import { type CompareSettings, compareSettings, getSummary, nouns, revision, source } from "../model";
import { Choice, Empty, Failure, Loading } from "../parts/basics";
import { useFetched } from "../parts/hooks";
import { MIN_GROUP_SIZE, SIGNIFICANT } from "../statistics";
import { GroupHeatMap } from "./GroupHeatMap";
import { GroupPair } from "./GroupPair";
import { Changes, OverTime, timeColumnFor, useOverTime } from "./OverTime";

const update = (part: Partial<CompareSettings>) => {
  compareSettings.value = { ...compareSettings.peek(), ...part };
};

interface GroupSelectProps {
  label: string;
  groups: Group[];
  value: number | null;
  other: number | null; // the group that is chosen already
  onChange: (value: number | null) => void;
}
function GroupSelect({ label, groups, value, other, onChange }: GroupSelectProps) {
  return (
    <label class="field">
      <span>{label}</span>
      <select
        value={value ?? ""}
        onChange={({ currentTarget: { value } }) => onChange(value === "" ? null : Number(value))}
      >
        <option value="">none</option>
        {groups.map((group, i) => (
          <option key={i} value={i} disabled={i === other || group.n < MIN_GROUP_SIZE}>
            {group.name}
          </option>
        ))}
      </select>
    </label>
  );
}

function Bar({ groups, a, b }: { groups: Group[]; a: number | null; b: number | null }) {
  const { columns } = getSummary();
  const { column, by } = compareSettings.value;
  return (
    <div class="bar-line flush">
      <label class="field">
        <span>Column</span>
        <select
          value={column}
          onChange={(e) => update({ column: Number(e.currentTarget.value), a: null, b: null })}
        >
          {columns.map((c, at) => (
            <option key={at} value={at}>
              {c.name}
            </option>
          ))}
        </select>
      </label>
      <Choice
        label="Numbers"
        value={by}
        options={[
          { value: "shares", label: `Share of ${nouns.value.texts}` },
          { value: "means", label: "Mean score" },
        ]}
        onChange={(value) => update({ by: value })}
      />
      <GroupSelect label="Group A" groups={groups} value={a} other={b} onChange={(a) => update({ a })} />
      <GroupSelect label="Group B" groups={groups} value={b} other={a} onChange={(b) => update({ b })} />
    </div>
  );
}

function Findings({ data, time }: { data: Comparison; time: Measured | null }) {
  if (data.groups.filter((g) => g.n >= MIN_GROUP_SIZE).length < 2)
    return (
      <p class="lede">
        Fewer than two groups have at least two {nouns.value.texts}, so there is nothing to test.
      </p>
    );
  if (time) return <Changes data={time} />;
  const significant = data.tests.filter((t) => t.q < SIGNIFICANT).sort((x, y) => y.effect - x.effect);
  if (!significant.length)
    return <p class="lede">No difference between the groups is significant (no corrected p below 0.05).</p>;
  return (
    <ul class="sentences">
      {significant.slice(0, 4).map((t) => (
        <li key={t.factor} dir="ltr">
          {t.sentence}
        </li>
      ))}
    </ul>
  );
}

/** The chosen groups, as far as the column has them: an address may name others. */
function chosenGroups(data: Comparison | null) {
  const { a, b } = compareSettings.value;
  const known = (group: number | null) => (group !== null && data?.groups[group] ? group : null);
  return { a: known(a), b: known(b) };
}

export function Compare() {
  const { columns } = getSummary();
  const { column } = compareSettings.value;
  const all = useFetched(
    () => memoise(`compare ${column}`, () => source.compare(column)),
    [column, revision.value],
  );
  const data = all.data?.column === column ? all.data : null;
  const { a, b } = chosenGroups(data);
  const pair = useFetched(
    async () => (a !== null && b !== null && a !== b ? source.compare(column, [a, b]) : null),
    [column, a, b, revision.value],
  );
  const overTime = useOverTime(timeColumnFor(column));
  const time = overTime.data?.column === timeColumnFor(column) ? overTime.data : null;
  if (!columns.length)
    return <Empty>There are no columns by which to compare the {nouns.value.texts}.</Empty>;
  const isPair = a !== null && b !== null && a !== b;
  const pairData = pair.data?.column === column ? pair.data : null;
  const error = all.error || pair.error || overTime.error;
  const isTime = columns[column]?.kind === "time";
  return (
    <div class="page">
      <h2 class="title">Compare</h2>
      <Bar groups={data?.groups ?? []} a={a} b={b} />
      {error && <Failure error={error} />}
      {!data && !error && <Loading what="Comparing" />}
      {data && (
        <>
          {!isPair && (!isTime || time) && <Findings data={data} time={isTime ? time : null} />}
          {isPair && pairData?.pair && <GroupPair data={pairData} pair={pairData.pair} />}
          {isTime && time && <OverTime data={time} />}
          {isTime && !time && !error && <Loading what="Counting over time" />}
          <GroupHeatMap data={data} />
          {!isTime && time && <OverTime data={time} />}
        </>
      )}
    </div>
  );
}
