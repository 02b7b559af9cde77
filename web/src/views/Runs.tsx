// Two runs over the same texts side by side: which factors agree, which texts move.
import { useState } from "preact/hooks";
import { elementAt } from "../arrays";
import type { Agreement, Factor } from "../contract";
import { count, percent, plural, signed } from "../format";
import { countVisibleFactors, getSummary, nouns, revision, selectedRun, source } from "../model";
import { openText } from "../navigation";
import { Choice, Empty, FactorLink, Failure, Loading } from "../parts/basics";
import { Figure } from "../parts/Figure";
import { Heat, type HeatCell, HeatScale } from "../parts/Heat";
import { useFetched } from "../parts/hooks";

const agreementLabel = (ari: number) =>
  ari > 0.8
    ? "nearly the same groups"
    : ari > 0.5
      ? "mostly the same groups"
      : ari > 0.2
        ? "partly the same groups"
        : "different groups";

function Head({ data }: { data: Agreement }) {
  const summary = getSummary();
  const noun = nouns.value;
  return (
    <>
      <div class="pair goals">
        <div>
          <h3>This run: {summary.run}</h3>
          <p class="goal-line" dir="auto">
            {summary.goal}
          </p>
          <p class="quiet">{plural(countVisibleFactors(), noun.factor, noun.factors)}</p>
        </div>
        <div>
          <h3>
            The other run: <bdi>{data.run.name}</bdi>
          </h3>
          <p class="goal-line" dir="auto">
            {data.run.goal}
          </p>
          <p class="quiet">{plural(data.run.n_factors, noun.factor, noun.factors)}</p>
        </div>
      </div>
      <dl class="totals">
        <div>
          <dt>{noun.texts} in both</dt>
          <dd>{count(data.n_common)}</dd>
        </div>
        <div>
          <dt title="Adjusted Rand index of the strongest factors: 1 for identical groups, 0 for agreement by chance">
            {agreementLabel(data.ari)} (ARI)
          </dt>
          <dd>{data.ari.toFixed(2)}</dd>
        </div>
        <div>
          <dt>matching pairs of {noun.factors}</dt>
          <dd>{count(data.matches.length)}</dd>
        </div>
        <div>
          <dt>{noun.texts} that move</dt>
          <dd>
            {count(data.n_moved)}{" "}
            <span class="quiet">{percent(data.n_moved / Math.max(data.n_common, 1))}</span>
          </dd>
        </div>
      </dl>
    </>
  );
}

const overlapOf = (data: Agreement, factor: number, other: number) =>
  elementAt(elementAt(data.overlap, factor), other);

function Matches({ data }: { data: Agreement }) {
  const summary = getSummary();
  const here = new Set(data.matches.map((m) => m.factor));
  const there = new Set(data.matches.map((m) => m.other));
  const alone = summary.factors.filter((f) => !here.has(f.index) && !f.hidden);
  const others = data.factors.filter((_, j) => !there.has(j));
  return (
    <Figure
      title="Which factors agree"
      name="matches"
      note="The best one-to-one pairs by the correlation of their scores over the common texts."
    >
      {data.matches.length === 0 && <Empty>No pair of {nouns.value.factors} agrees.</Empty>}
      <table class="plain">
        <thead>
          <tr>
            <th scope="col">This run</th>
            <th scope="col">The other run</th>
            <th scope="col" class="number">
              r
            </th>
            <th scope="col" class="number roomy">
              {nouns.value.texts} in both
            </th>
          </tr>
        </thead>
        <tbody>
          {data.matches.map((m) => (
            <tr key={m.factor}>
              <th scope="row">
                <FactorLink index={m.factor} />
              </th>
              <td>
                <bdi>{elementAt(data.factors, m.other).name}</bdi>
              </td>
              <td class="number">{signed(m.r)}</td>
              <td class="number roomy">{count(overlapOf(data, m.factor, m.other))}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {alone.length > 0 && (
        <p class="hint">
          Only in this run: <bdi>{alone.map((f) => f.name).join("; ")}</bdi>.
        </p>
      )}
      {others.length > 0 && (
        <p class="hint">
          Only in the other run: <bdi>{others.map((f) => f.name).join("; ")}</bdi>.
        </p>
      )}
    </Figure>
  );
}

type Shown = "r" | "overlap";

function matrixCell(data: Agreement, factor: Factor, other: number, by: Shown, most: number): HeatCell {
  const r = elementAt(elementAt(data.r, factor.index), other);
  const overlap = overlapOf(data, factor.index, other);
  const { name } = elementAt(data.factors, other);
  return {
    shade: by === "r" ? r : overlap / most,
    text: by === "r" ? signed(r, 1) : count(overlap),
    title: `${factor.name}, ${name}: r ${signed(r)}, ${count(overlap)} texts`,
    isOutlined: data.matches.some((match) => match.factor === factor.index && match.other === other),
  };
}

function Matrix({ data }: { data: Agreement }) {
  const summary = getSummary();
  const [by, setBy] = useState<Shown>("r");
  const most = Math.max(...data.overlap.flat(), 1);
  // the other run's factors in the order of their matches, so that the matches are on the diagonal
  const matches = new Map(data.matches.map((match) => [match.factor, match.other]));
  const first = summary.factors.flatMap((f) => matches.get(f.index) ?? []);
  const order = [...first, ...data.factors.map((_, j) => j).filter((j) => !first.includes(j))];
  const factors = summary.factors.filter((f) => data.r[f.index]);
  return (
    <Figure title="All pairs" name="agreement" note="The best pairs are outlined.">
      <div class="figure-tools">
        <Choice
          label="Numbers"
          value={by}
          options={[
            { value: "r", label: "Correlation" },
            { value: "overlap", label: `Number of ${nouns.value.texts}` },
          ]}
          onChange={setBy}
        />
        {by === "r" ? (
          <HeatScale low="−1" high="+1" />
        ) : (
          <HeatScale low="0" high={count(most)} isSequential />
        )}
      </div>
      <Heat
        label={by === "r" ? "Correlation of factors" : "Texts in common"}
        corner="This run ↓, the other →"
        columns={order.map((j) => <bdi>{elementAt(data.factors, j).name}</bdi>)}
        isSequential={by === "overlap"}
        rows={factors.map((factor) => ({
          key: factor.index,
          head: <FactorLink index={factor.index} />,
          cells: order.map((j) => matrixCell(data, factor, j, by, most)),
        }))}
      />
    </Figure>
  );
}

function Moved({ data }: { data: Agreement }) {
  const noun = nouns.value;
  if (!data.moved.length)
    return (
      <Empty>
        No {noun.text} moves: each is in the match of its {noun.factor}.
      </Empty>
    );
  return (
    <section aria-label="Moved">
      <h3>Which {noun.texts} move</h3>
      <p class="hint">
        In the other run they are not in the match of their {noun.factor}.{" "}
        {data.n_moved > data.moved.length &&
          `${count(data.moved.length)} of ${count(data.n_moved)} are listed.`}
      </p>
      <ul class="moved">
        {data.moved.map((m) => (
          <li key={m.row}>
            <button type="button" class="snippet" dir="auto" onClick={() => openText(m.row)}>
              {m.text}
            </button>
            <p class="under">
              <FactorLink index={m.from} /> <span aria-hidden="true">→</span>
              <span class="sr">moves to</span> <bdi>{data.factors[m.to]?.name ?? `no ${noun.factor}`}</bdi>
            </p>
          </li>
        ))}
      </ul>
    </section>
  );
}

export function Runs() {
  const { runs } = getSummary();
  const name = selectedRun.value ?? runs[0]?.name;
  const agreement = useFetched(async () => (name ? source.agreement(name) : null), [name, revision.value]);
  if (!runs.length)
    return (
      <div class="page">
        <h2 class="title">Two runs side by side</h2>
        <Empty>
          There is no other run of these {nouns.value.texts} next to this one. To make one, run{" "}
          <code>goalspace discover FILE --goal "…" --out FOLDER</code> on the same file with another goal and
          a folder next to this run's, then open this page again.
        </Empty>
      </div>
    );
  const data = agreement.data?.run.name === name ? agreement.data : null;
  return (
    <div class="page">
      <h2 class="title">Two runs side by side</h2>
      <div class="bar-line flush">
        <label class="field">
          <span>The other run</span>
          <select
            value={name}
            onChange={(e) => {
              selectedRun.value = e.currentTarget.value;
            }}
          >
            {runs.map((run) => (
              <option key={run.name} value={run.name}>
                {run.name}: {run.goal}
              </option>
            ))}
          </select>
        </label>
      </div>
      {agreement.error ? (
        <Failure error={agreement.error} />
      ) : data ? (
        <>
          <Head data={data} />
          <Matches data={data} />
          <Matrix data={data} />
          <Moved data={data} />
        </>
      ) : (
        <Loading what="Comparing the runs" />
      )}
    </div>
  );
}
