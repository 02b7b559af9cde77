// What the run is: its goal, what was found, how well it can be trusted, how it was made.
import { count, seconds } from "../format";
import { countVisibleFactors, getSummary, nouns } from "../model";

export function About() {
  const summary = getSummary();
  const noun = nouns.value;
  return (
    <div class="page about">
      <h2 class="title" dir="auto">
        {summary.goal}
      </h2>
      <p class="lede" dir="ltr">
        {summary.headline}
      </p>
      <dl class="totals">
        <div>
          <dt>rows read</dt>
          <dd>{count(summary.n_rows)}</dd>
        </div>
        <div>
          <dt>{summary.kind === "texts" ? `different ${noun.texts}` : noun.texts}</dt>
          <dd>{count(summary.n_texts)}</dd>
        </div>
        <div>
          <dt>{noun.shown}</dt>
          <dd>{count(countVisibleFactors())}</dd>
        </div>
      </dl>
      {summary.findings.length > 0 && (
        <section aria-label="Findings">
          <h2>What stands out</h2>
          <ul class="told">
            {summary.findings.map((line) => (
              <li key={line} dir="ltr">
                {line}
              </li>
            ))}
          </ul>
        </section>
      )}
      {summary.left_out.length > 0 && (
        <section aria-label="Columns left out">
          <h2>Columns not compared by</h2>
          <ul class="told">
            {summary.left_out.map(({ name, why }, at) => (
              <li key={at}>
                <bdi>{name}</bdi>: <span class="quiet">{why}</span>
              </li>
            ))}
          </ul>
        </section>
      )}
      {summary.quality.length > 0 && (
        <section aria-label="Quality">
          <h2>How far to trust it</h2>
          <dl class="quality">
            {summary.quality.map(({ name, value, meaning }) => (
              <div key={name}>
                <dt>
                  {name} <b class="number">{value}</b>
                </dt>
                <dd>{meaning}</dd>
              </div>
            ))}
          </dl>
        </section>
      )}
      <section aria-label="Stages">
        <h2>How it was made</h2>
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
            {summary.stages.map((stage) => (
              <tr key={stage.name}>
                <th scope="row">{stage.name}</th>
                <td dir="ltr">{stage.facts}</td>
                <td class="number">{seconds(stage.seconds)}</td>
              </tr>
            ))}
          </tbody>
        </table>
        <p class="hint">
          Run <bdi>{summary.run}</bdi>, {summary.created.slice(0, 16).replace("T", " ")}, goalspace{" "}
          {summary.version}.
        </p>
      </section>
      {summary.citations.length > 0 && (
        <section aria-label="Citations">
          <h2>To cite</h2>
          <ul class="told">
            {summary.citations.map((c) => (
              <li key={c.what}>
                <span class="quiet">{c.what}:</span> {c.text}{" "}
                {/^https:\/\//.test(c.url) && (
                  <a href={c.url} rel="noreferrer" target="_blank">
                    {c.url.replace("https://", "")}
                  </a>
                )}
              </li>
            ))}
          </ul>
        </section>
      )}
    </div>
  );
}
