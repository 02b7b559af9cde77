// What the run is: its goal, what was found, how far to trust it, and how it was made.
import type { ComponentChildren } from "preact";
import type { Citation, QualityMeasure } from "../contract";
import { count, seconds } from "../format";
import { countVisibleFactors, getSummary, nouns } from "../model";

interface SectionProps {
  label: string;
  title: string;
  children: ComponentChildren;
}
const Section = ({ label, title, children }: SectionProps) => (
  <section aria-label={label}>
    <h2>{title}</h2>
    {children}
  </section>
);

export function About() {
  const summary = getSummary();
  const { findings, left_out, quality, citations } = summary;
  return (
    <div class="page about">
      <h2 class="title" dir="auto">
        {summary.goal}
      </h2>
      <p class="lede" dir="ltr">
        {summary.headline}
      </p>
      <Totals />
      {findings.length > 0 && (
        <Section label="Findings" title="What stands out">
          <ul class="sentences">
            {findings.map((line) => (
              <li key={line} dir="ltr">
                {line}
              </li>
            ))}
          </ul>
        </Section>
      )}
      {left_out.length > 0 && (
        <Section label="Columns left out" title="Columns left out of comparisons">
          <ul class="sentences">
            {left_out.map(({ name, why }, at) => (
              <li key={at}>
                <bdi>{name}</bdi>: <span class="quiet">{why}</span>
              </li>
            ))}
          </ul>
        </Section>
      )}
      {quality.length > 0 && (
        <Section label="Quality" title="How reliable it is">
          <Quality measures={quality} />
        </Section>
      )}
      <Section label="Stages" title="How it was made">
        <Stages />
      </Section>
      {citations.length > 0 && (
        <Section label="Citations" title="How to cite">
          <Citations citations={citations} />
        </Section>
      )}
    </div>
  );
}

function Totals() {
  const { kind, n_rows, n_texts } = getSummary();
  const noun = nouns.value;
  return (
    <dl class="totals">
      <div>
        <dt>rows read</dt>
        <dd>{count(n_rows)}</dd>
      </div>
      <div>
        <dt>{kind === "texts" ? `different ${noun.texts}` : noun.texts}</dt>
        <dd>{count(n_texts)}</dd>
      </div>
      <div>
        <dt>{noun.shown}</dt>
        <dd>{count(countVisibleFactors())}</dd>
      </div>
    </dl>
  );
}

const Quality = ({ measures }: { measures: QualityMeasure[] }) => (
  <dl class="quality">
    {measures.map(({ name, value, meaning }) => (
      <div key={name}>
        <dt>
          {name} <b class="number">{value}</b>
        </dt>
        <dd>{meaning}</dd>
      </div>
    ))}
  </dl>
);

function Stages() {
  const { stages, run, created, version } = getSummary();
  return (
    <>
      <table class="plain stages">
        <thead>
          <tr>
            <th scope="col">Stage</th>
            <th scope="col">What it did</th>
            <th scope="col" class="number">
              Time
            </th>
          </tr>
        </thead>
        <tbody>
          {stages.map((stage) => (
            <tr key={stage.name}>
              <th scope="row">{stage.name}</th>
              <td dir="ltr">{stage.facts}</td>
              <td class="number">{seconds(stage.seconds)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="hint">
        Run <bdi>{run}</bdi>, {created.slice(0, 16).replace("T", " ")}, goalspace {version}.
      </p>
    </>
  );
}

const Citations = ({ citations }: { citations: Citation[] }) => (
  <ul class="sentences">
    {citations.map(({ what, text, url }) => (
      <li key={what}>
        <span class="quiet">{what}:</span> {text}{" "}
        {/^https:\/\//.test(url) && (
          <a href={url} rel="noreferrer" target="_blank">
            {url.replace("https://", "")}
          </a>
        )}
      </li>
    ))}
  </ul>
);
