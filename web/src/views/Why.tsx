// Why a text stands where it stands: its strongest factors and properties, each with the sentence that carries it.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { paletteVariable } from "../colour";
import type { Reason, Why as WhyData } from "../contract";
import { plural } from "../format";
import { nouns, revision, selectedRow, source } from "../model";
import { Dot, Empty, FactorLink, Failure, Icon, Loading, SignedBar } from "../parts/basics";
import { useFetched } from "../parts/hooks";

type FactorReason = Reason & { factor: number };
interface Segment {
  start: number;
  end: number;
  reasons: number[];
}

/** The text cut where a sentence of a reason starts or ends. */
function segmentsOf(text: string, reasons: FactorReason[]): Segment[] {
  const cuts = new Set([0, text.length]);
  for (const { start, end } of reasons)
    if (end > start) {
      cuts.add(Math.min(start, text.length));
      cuts.add(Math.min(end, text.length));
    }
  const places = [...cuts].sort((a, b) => a - b);
  return places.slice(0, -1).map((start, at) => ({
    start,
    end: places[at + 1],
    reasons: reasons.flatMap((r, i) =>
      r.start <= start && r.end >= places[at + 1] && r.end > r.start ? [i] : [],
    ),
  }));
}

function MarkedText({ why, reasons, at }: { why: WhyData; reasons: FactorReason[]; at: number | null }) {
  const box = useRef<HTMLParagraphElement>(null);
  const parts = useMemo(() => segmentsOf(why.text, reasons), [why, reasons]);
  useEffect(() => {
    if (at !== null) box.current?.querySelector("mark.on")?.scrollIntoView({ block: "nearest" });
  }, [at]);
  return (
    <p
      class="whole-text"
      dir="auto"
      ref={box}
      tabIndex={0}
      role="region"
      aria-label={`The ${nouns.value.text}`}
    >
      {parts.map(({ start, end, reasons: own }) => {
        const words = why.text.slice(start, end);
        const on = at !== null && own.includes(at);
        // a sentence that speaks against a factor is marked only when asked for
        const told = on ? own : own.filter((i) => reasons[i].weight > 0);
        if (!told.length) return words;
        const shown = on ? reasons[at] : reasons[told[0]];
        return (
          <mark
            key={start}
            class={on ? "on" : at === null ? "some" : "off"}
            style={{ "--mark": paletteVariable(shown.factor) }}
          >
            {words}
          </mark>
        );
      })}
    </p>
  );
}

function ReasonRow({
  reason,
  on,
  onOn,
  max,
  sign,
}: {
  reason: FactorReason;
  on: boolean;
  onOn: () => void;
  max: number;
  sign: boolean;
}) {
  const has = reason.end > reason.start;
  return (
    <li>
      <button
        type="button"
        class={on ? "reason on" : "reason"}
        aria-pressed={on}
        onClick={onOn}
        disabled={!has}
        title={has ? "Show the sentence" : "No one sentence carries it"}
      >
        <Dot index={reason.factor} />
        <span class="grow">
          <bdi>{reason.name}</bdi>
        </span>
        {reason.proposed && (
          <span class="tag" title="Read out of this very text">
            proposed
          </span>
        )}
        {sign ? (
          <SignedBar value={reason.weight} max={max} digits={1} />
        ) : (
          <span class="number">{reason.weight.toFixed(2)}</span>
        )}
      </button>
    </li>
  );
}

function Facts({ why }: { why: WhyData }) {
  const entries = Object.entries(why.metadata);
  return (
    <>
      {why.selected.length > 0 && (
        <>
          <h3>What was chosen</h3>
          <dl class="facts">
            {why.selected.map(({ name, value }) => (
              <div key={name}>
                <dt>{name}</dt>
                <dd dir="auto">{value}</dd>
              </div>
            ))}
          </dl>
        </>
      )}
      {entries.length > 0 && (
        <>
          <h3>Columns</h3>
          <dl class="facts">
            {entries.map(([name, value]) => (
              <div key={name}>
                <dt>
                  <bdi>{name}</bdi>
                </dt>
                <dd dir="auto">{value}</dd>
              </div>
            ))}
          </dl>
        </>
      )}
      {why.duplicates.length > 0 && (
        <p class="hint">
          {plural(why.n_copies, "copy", "copies")} of this {nouns.value.text}: also{" "}
          <bdi>{why.duplicates.join(", ")}</bdi>.
        </p>
      )}
    </>
  );
}

function Body({ why }: { why: WhyData }) {
  const reasons = useMemo(() => [...why.factors, ...why.properties], [why]);
  const [at, setAt] = useState<number | null>(null);
  useEffect(() => setAt(null), [why]);
  const max = Math.max(3, ...why.factors.map((f) => Math.abs(f.weight)));
  const toggle = (i: number) => setAt(at === i ? null : i);
  const nFactors = why.factors.length;
  return (
    <>
      <MarkedText why={why} reasons={reasons} at={at} />
      {why.cut && <p class="hint">The {nouns.value.text} is cut here; the run holds all of it.</p>}
      {why.analysis && (
        <p class="analysis" dir="auto">
          <span class="quiet">The model noted: </span>
          {why.analysis}
        </p>
      )}
      <h3>Strongest {nouns.value.factors}</h3>
      <ul class="reasons">
        {why.factors.map((reason, i) => (
          <ReasonRow
            key={reason.factor}
            reason={reason}
            on={at === i}
            onOn={() => toggle(i)}
            max={max}
            sign
          />
        ))}
      </ul>
      <h3>Strongest {nouns.value.properties}</h3>
      {why.properties.length ? (
        <ul class="reasons">
          {why.properties.map((reason, i) => (
            <ReasonRow
              key={reason.name}
              reason={reason}
              on={at === nFactors + i}
              onOn={() => toggle(nFactors + i)}
              max={1}
              sign={false}
            />
          ))}
        </ul>
      ) : (
        <Empty>
          No {nouns.value.property} is strong in this {nouns.value.text}.
        </Empty>
      )}
      <Facts why={why} />
      {why.near.length > 0 && (
        <>
          <h3>Nearest {nouns.value.texts}</h3>
          <ul class="near">
            {why.near.map((other) => (
              <li key={other.row}>
                <button
                  type="button"
                  onClick={() => {
                    selectedRow.value = other.row;
                  }}
                >
                  <span class="snippet" dir="auto">
                    {other.text}
                  </span>
                  <span class="number quiet" title="Cosine in the space of the factors">
                    {other.r.toFixed(2)}
                  </span>
                </button>
              </li>
            ))}
          </ul>
        </>
      )}
    </>
  );
}

export function Why({ row }: { row: number }) {
  const { data, error, loading } = useFetched(() => source.why(row), [row, revision.value]);
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (data) heading.current?.focus({ preventScroll: true });
  }, [data?.row]);
  // the keyboard goes back to where it came from
  useEffect(
    () => () => {
      requestAnimationFrame(() => {
        if (document.activeElement === document.body)
          document.querySelector<HTMLElement>('.row[tabindex="0"]')?.focus({ preventScroll: true });
      });
    },
    [],
  );
  return (
    <section class="why" aria-label={`Why: ${nouns.value.text} ${data?.id ?? ""}`} aria-busy={loading}>
      <header class="why-head">
        <h2 ref={heading} tabIndex={-1} title={data?.id}>
          <bdi>{data?.id ?? `The ${nouns.value.text}`}</bdi>
        </h2>
        {data && <FactorLink index={data.dominant} quiet />}
        <button
          type="button"
          class="icon-button"
          aria-label={`Close the ${nouns.value.text}`}
          onClick={() => {
            selectedRow.value = null;
          }}
        >
          <Icon name="close" />
        </button>
      </header>
      <div class="why-body">
        {error ? <Failure error={error} /> : data ? <Body why={data} /> : <Loading />}
      </div>
    </section>
  );
}
