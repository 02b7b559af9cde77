// The factors: a ranked list or the hierarchy on the left, the card of one on the right.
import { useRef } from "preact/hooks";
import type { Factor, Tree } from "../contract";
import { percent, plural } from "../format";
import { factorOrder, getSummary, nouns, selectedFactor } from "../model";
import { Bar, Choice, Dot, Empty, Sparkline } from "../parts/basics";
import { FiguresMenu } from "../parts/Figure";
import { useFitsTwoPanes } from "../parts/hooks";
import { Card } from "./Card";

function Entry({
  factor,
  rank,
  max,
  at,
  nested = false,
}: {
  factor: Factor;
  rank: number;
  max: number;
  at: number | null;
  nested?: boolean;
}) {
  const summary = getSummary();
  const on = at === factor.index;
  const other = factor.poles.length > 1 ? factor.poles[1] : null;
  return (
    <button
      type="button"
      class={`factor-entry${on ? " on" : ""}${nested ? " nested" : ""}${factor.hidden ? " hidden-factor" : ""}`}
      aria-current={on ? "true" : undefined}
      data-factor={factor.index}
      onClick={() => {
        selectedFactor.value = factor.index;
      }}
    >
      <span class="number quiet rank">{rank}</span>
      <span class="entry-name">
        <Dot index={factor.index} />
        <span>
          <bdi>{factor.name}</bdi>
          {other && (
            <span class="pole quiet">
              against <bdi>{other}</bdi>
            </span>
          )}
          {factor.hidden && <span class="tag">hidden</span>}
        </span>
      </span>
      {factor.trend && summary.trend ? (
        <Sparkline values={factor.trend} index={factor.index} label={`Share by ${summary.trend.column}`} />
      ) : (
        <span />
      )}
      <Bar part={factor.share / max} index={factor.index} />
      <span class="number">{percent(factor.share)}</span>
      <span class="number quiet tc">{factor.tc.toFixed(factor.tc < 10 ? nouns.value.digits : 0)}</span>
    </button>
  );
}

const factorsUnder = (tree: Tree): number[] =>
  tree.children.flatMap((child) => (typeof child === "number" ? [child] : factorsUnder(child)));

function Branch({ tree, max, at }: { tree: Tree; max: number; at: number | null }) {
  const { factors } = getSummary();
  const inside = factorsUnder(tree);
  const share = inside.reduce((sum, k) => sum + (factors[k]?.share ?? 0), 0);
  return (
    <li class="branch">
      <p class="branch-name">
        <bdi>{tree.name}</bdi>
        <span class="quiet number">
          {plural(inside.length, nouns.value.factor, nouns.value.factors)}, {percent(share)}
        </span>
      </p>
      <ul>
        {tree.children.map((child) =>
          typeof child === "number" ? (
            factors[child] && (
              <li key={child}>
                <Entry factor={factors[child]} rank={child + 1} max={max} at={at} nested />
              </li>
            )
          ) : (
            <Branch key={child.name} tree={child} max={max} at={at} />
          ),
        )}
      </ul>
    </li>
  );
}

/** Moves from factor to factor with the arrow keys. */
function moveByKey(event: KeyboardEvent, list: HTMLElement | null) {
  const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
  if (!step || event.ctrlKey || event.metaKey) return;
  const entries = [...(list?.querySelectorAll<HTMLElement>(".factor-entry") ?? [])];
  const next = entries[entries.indexOf(document.activeElement as HTMLElement) + step];
  if (!next) return;
  event.preventDefault();
  next.focus();
  next.click();
}

export function Factors() {
  const { factors } = getSummary();
  const noun = nouns.value;
  const list = useRef<HTMLDivElement>(null);
  const fitsTwoPanes = useFitsTwoPanes();
  const at = selectedFactor.value ?? (fitsTwoPanes && factors.length ? 0 : null);
  return (
    <div class={at === null ? "split factors-view" : "split factors-view open"}>
      <section class="split-list" aria-label={noun.Factors}>
        <Head />
        {/* biome-ignore lint/a11y/noStaticElementInteractions: arrow keys go between the buttons inside */}
        <div class="factor-list" ref={list} onKeyDown={(event) => moveByKey(event, list.current)}>
          {factors.length ? <List at={at} /> : <Empty>The run has no {noun.factors}.</Empty>}
        </div>
      </section>
      <section class="split-main" aria-label="Card">
        {at === null ? (
          <Empty>Choose a {noun.factor} to see what it is made of.</Empty>
        ) : (
          <Card key={at} index={at} />
        )}
      </section>
    </div>
  );
}

function Head() {
  const { factors, hierarchy, trend } = getSummary();
  const noun = nouns.value;
  return (
    <>
      <div class="bar-line">
        <h2 class="title">{noun.Factors}</h2>
        <span class="grow" />
        {hierarchy.length > 0 && (
          <Choice
            label="Order"
            value={factorOrder.value}
            options={[
              { value: "ranked", label: "Ranked" },
              { value: "tree", label: "Hierarchy" },
            ]}
            onChange={(value) => {
              factorOrder.value = value;
            }}
          />
        )}
        {factors.length > 0 && (
          <FiguresMenu name="factors" of=".factor-head, .factor-list" title={noun.Factors} />
        )}
      </div>
      <div class="factor-head quiet" aria-hidden="true">
        <span class="number">#</span>
        <span>Name</span>
        <span>{trend ? `By ${trend.column}` : ""}</span>
        <span />
        <span class="number" title={`Share of the ${noun.texts} ${noun.belongs}`}>
          Share
        </span>
        <span class="number" title={noun.strengthMeans}>
          {noun.Strength}
        </span>
      </div>
    </>
  );
}

function List({ at }: { at: number | null }) {
  const { factors, hierarchy } = getSummary();
  const max = Math.max(...factors.map((f) => f.share), 1e-9);
  const entry = (factor: Factor) => (
    <li key={factor.index}>
      <Entry factor={factor} rank={factor.index + 1} max={max} at={at} />
    </li>
  );
  if (factorOrder.value === "ranked" || !hierarchy.length) return <ol>{factors.map(entry)}</ol>;
  const inTree = new Set(hierarchy.flatMap(factorsUnder));
  return (
    <ul class="tree">
      {hierarchy.map((branch) => (
        <Branch key={branch.name} tree={branch} max={max} at={at} />
      ))}
      {factors.filter((factor) => !inTree.has(factor.index)).map(entry)}
    </ul>
  );
}
