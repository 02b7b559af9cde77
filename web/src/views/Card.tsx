// The card of one factor: what it is, its properties, the sentences that show it, and its neighbours.
import { useEffect, useRef } from "preact/hooks";
import type { Factor, RelatedFactor, Sentence } from "../contract";
import { count, percent, plural, signed } from "../format";
import {
  colour,
  getSummary,
  nouns,
  query,
  revision,
  selectedFactor,
  selectedRow,
  source,
  view,
} from "../model";
import { factorQuery, openText, openTexts, propertyQuery } from "../navigation";
import { Dot, Empty, FactorLink, Failure, Icon, Loading, SignedBar } from "../parts/basics";
import { useFetched } from "../parts/hooks";
import { FactorActions, PropertyActions } from "./Editing";
import { FactorOverTimeFigure } from "./OverTime";

function Head({ factor }: { factor: Factor }) {
  const noun = nouns.value;
  const heading = useRef<HTMLHeadingElement>(null);
  // an edit may remove the focused element: a property, or the whole card if its number changed
  useEffect(() => {
    if (revision.value && document.activeElement === document.body)
      heading.current?.focus({ preventScroll: true });
  }, [factor]);
  const [positive, negative] = factor.poles;
  return (
    <header class="card-head">
      <button
        type="button"
        class="icon-button back"
        aria-label={`Back to the ${noun.factors}`}
        onClick={() => {
          selectedFactor.value = null;
        }}
      >
        <Icon name="close" />
      </button>
      <h2 dir="auto" ref={heading} tabIndex={-1}>
        <Dot index={factor.index} />
        {factor.name}
      </h2>
      {factor.description && (
        <p class="lede" dir="auto">
          {factor.description}
        </p>
      )}
      {negative && (
        <p class="poles">
          <span class="tag plus">+</span> <bdi>{positive}</bdi>
          <span class="tag minus">−</span> <bdi>{negative}</bdi>
        </p>
      )}
      <Totals factor={factor} />
      <Actions factor={factor} />
    </header>
  );
}

function Totals({ factor }: { factor: Factor }) {
  const noun = nouns.value;
  return (
    <dl class="totals">
      <div>
        <dt>share of {noun.texts}</dt>
        <dd>{percent(factor.share)}</dd>
      </div>
      <div>
        <dt>{noun.texts}</dt>
        <dd>{count(factor.n_texts)}</dd>
      </div>
      <div>
        <dt title={noun.strengthMeans}>{noun.strength}</dt>
        <dd>{factor.tc.toFixed(noun.digits)}</dd>
      </div>
      <div>
        <dt>{noun.properties}</dt>
        <dd>{count(factor.n_properties)}</dd>
      </div>
    </dl>
  );
}

function Actions({ factor }: { factor: Factor }) {
  const showOnMap = () => {
    query.value = {};
    colour.value = { by: "score", at: factor.index };
    selectedRow.value = null;
    view.value = "map";
  };
  return (
    <div class="actions">
      <button type="button" class="button" onClick={() => openTexts(factorQuery(factor.index))}>
        Show its {nouns.value.texts}
      </button>
      <button type="button" class="button" onClick={showOnMap}>
        Show on the map
      </button>
      {getSummary().able.edit && <FactorActions factor={factor} />}
    </div>
  );
}

/** A wording, which may break into two lines after its verb. */
const breakable = (name: string) =>
  name.split("|").flatMap((part, at) => (at ? ["|", <wbr key={at} />, part] : [part]));

function Properties({ factor }: { factor: Factor }) {
  const { able } = getSummary();
  const max = Math.max(...factor.properties.map((p) => Math.abs(p.weight)), 0.01);
  const noun = nouns.value;
  const two = factor.properties.some((p) => p.weight < 0);
  return (
    <section class="card-part" aria-label={noun.Properties}>
      <h3>
        {noun.Properties} <span class="quiet">{count(factor.n_properties)}</span>
      </h3>
      <ul class={two ? "properties two" : "properties"}>
        {factor.properties.map((property) => (
          <li key={property.name}>
            <button
              type="button"
              class="property-name"
              dir="auto"
              title={`Search for “${property.name}”`}
              onClick={() => openTexts(propertyQuery(property.name))}
            >
              {breakable(property.name)}
            </button>
            <span class="number quiet">{count(property.n_texts)}</span>
            <SignedBar value={property.weight} max={max} />
            {able.edit && <PropertyActions property={property.name} factor={factor.index} />}
          </li>
        ))}
      </ul>
      {factor.properties.length < factor.n_properties && (
        <p class="hint">
          The {factor.properties.length} strongest of {count(factor.n_properties)}.
        </p>
      )}
    </section>
  );
}

function Evidence({ sentences }: { sentences: Sentence[] }) {
  return (
    <ol class="evidence">
      {sentences.map((s) => (
        <li key={`${s.row} ${s.sentence}`}>
          <blockquote dir="auto">
            <span class="quiet">{s.before}</span>
            <mark>{s.sentence}</mark>
            <span class="quiet">{s.after}</span>
          </blockquote>
          <p class="under">
            <button type="button" class="link" onClick={() => openText(s.row)}>
              <bdi>{s.id}</bdi>
            </button>
            <span class="number">{signed(s.score, 1)}</span>
            {s.n_copies > 1 && <span>{plural(s.n_copies, "copy", "copies")}</span>}
            {s.n_same > 0 && <span>{count(s.n_same)} more say the same</span>}
          </p>
        </li>
      ))}
    </ol>
  );
}

function Related({ factor }: { factor: Factor }) {
  const noun = nouns.value;
  const alike = factor.related.filter((other) => other.r >= 0);
  const opposite = factor.related.filter((other) => other.r < 0);
  const list = (title: string, of: RelatedFactor[]) =>
    of.length > 0 && (
      <div>
        <h4>{title}</h4>
        <ul class="related">
          {of.map(({ factor: k, r }) => (
            <li key={k}>
              <FactorLink index={k} />
              <span class="number quiet" title="Correlation of the scores">
                {signed(r)}
              </span>
            </li>
          ))}
        </ul>
      </div>
    );
  if (!factor.related.length) return null;
  return (
    <section class="card-part" aria-label="Neighbours">
      <h3>Correlations with other {noun.factors}</h3>
      <div class="pair">
        {list(`Related ${noun.factors}`, alike)}
        {list(`Opposite ${noun.factors}`, opposite)}
      </div>
    </section>
  );
}

export function Card({ index }: { index: number }) {
  const { factors } = getSummary();
  const known = factors[index];
  const { data, error } = useFetched(() => source.factor(index), [index, revision.value]);
  if (!known) return <Empty>There is no such {nouns.value.factor}.</Empty>;
  const factor = data ?? known;
  const positive = factor.evidence.filter((s) => s.pole > 0);
  const negative = factor.evidence.filter((s) => s.pole < 0);
  return (
    <article class="card" aria-label={factor.name}>
      <Head factor={factor} />
      {error && <Failure error={error} />}
      {!data && !error && <Loading what={`Loading all ${nouns.value.properties} and sentences`} />}
      <div class="card-columns">
        <div>
          <section class="card-part" aria-label="Evidence">
            <h3>In the {nouns.value.texts}' own words</h3>
            {positive.length ? <Evidence sentences={positive} /> : <Empty>No sentence stands out.</Empty>}
            {negative.length > 0 && (
              <>
                <h4>
                  The other pole{factor.poles[1] ? ": " : ""}
                  <bdi>{factor.poles[1]}</bdi>
                </h4>
                <Evidence sentences={negative} />
              </>
            )}
          </section>
          <FactorOverTimeFigure index={index} />
          <Related factor={factor} />
        </div>
        <div>
          <Properties factor={factor} />
        </div>
      </div>
    </article>
  );
}
