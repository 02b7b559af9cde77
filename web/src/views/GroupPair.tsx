// Two groups of a column against each other: the difference of each factor with its interval and its test.
import { elementAt } from "../arrays";
import type { Comparison, PairComparison, PairTest } from "../contract";
import { percent, pValue, signed } from "../format";
import { getSummary, nouns } from "../model";
import { FactorLink } from "../parts/basics";
import { Effect } from "../parts/charts";
import { Figure } from "../parts/Figure";
import { SIGNIFICANT } from "../statistics";

export function GroupPair({ data, pair }: { data: Comparison; pair: PairComparison }) {
  const { factors } = getSummary();
  const [a, b] = [elementAt(data.groups, pair.a), elementAt(data.groups, pair.b)];
  const tests = pair.tests.filter((t) => !factors[t.factor]?.hidden).sort((x, y) => y.effect - x.effect);
  const span = Math.max(...tests.flatMap((t) => [Math.abs(t.low), Math.abs(t.high)]), 0.5);
  return (
    <Figure
      title={`${a.name} against ${b.name}`}
      name={`compare-${a.name}-${b.name}`}
      note={`Difference in mean scores in standard deviations (Cohen's d) with its 95% confidence interval; to the right of the line: stronger in ${a.name}.`}
    >
      <table class="plain pair-table">
        <thead>
          <tr>
            <th scope="col">{nouns.value.Factors}</th>
            <th scope="col" class="number roomy">
              <bdi>{a.name}</bdi>
            </th>
            <th scope="col" class="number roomy">
              <bdi>{b.name}</bdi>
            </th>
            <th scope="col" class="ends">
              <span>
                ← <bdi>{b.name}</bdi>
              </span>
              <span>
                <bdi>{a.name}</bdi> →
              </span>
            </th>
            <th scope="col" class="number">
              d
            </th>
            <th scope="col" class="number roomy">
              95% interval
            </th>
            <th scope="col" class="number roomy">
              corrected p
            </th>
          </tr>
        </thead>
        <tbody>
          {tests.map((test) => (
            <PairRow key={test.factor} test={test} span={span} data={data} pair={pair} />
          ))}
        </tbody>
      </table>
    </Figure>
  );
}

interface RowProps {
  test: PairTest;
  span: number;
  data: Comparison;
  pair: PairComparison;
}
function PairRow({ test, span, data, pair }: RowProps) {
  const isSure = test.q < SIGNIFICANT;
  const share = (group: number) => percent(data.shares[test.factor]?.[group] ?? null);
  return (
    <tr class={isSure ? "" : "faint"}>
      <th scope="row">
        <FactorLink index={test.factor} />
      </th>
      <td class="number roomy">{share(pair.a)}</td>
      <td class="number roomy">{share(pair.b)}</td>
      <td>
        <Effect row={test} span={span} />
      </td>
      <td class="number">{signed(test.effect)}</td>
      <td class="number roomy">
        {signed(test.low)} to {signed(test.high)}
      </td>
      <td class={isSure ? "number sure roomy" : "number roomy"}>{pValue(test.q)}</td>
    </tr>
  );
}
