// Why a text scores as it does: its strongest factors and properties, each with the sentence that carries it.
import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { paletteVariable } from "../colour";
import type { Reason, Why as WhyData } from "../contract";
import { plural } from "../format";
import { nouns, revision, selectedRow, source } from "../model";
import { Dot, Empty, FactorLink, Failure, Icon, Loading, SignedBar } from "../parts/basics";
import { useFetched } from "../parts/hooks";

interface Segment {
  start: number;
  end: number;
  reasons: Reason[];
}

/** The text cut wherever the sentence of a reason starts or ends. */
function segmentsOf(text: string, reasons: Reason[]): Segment[] {
  const cuts = new Set([0, text.length]);
  for (const { start, end } of reasons)
    if (end > start) {
      cuts.add(Math.min(start, text.length));
      cuts.add(Math.min(end, text.length));
    }
  const [, ...ends] = [...cuts].sort((a, b) => a - b);
  let start = 0;
  return ends.map((end) => {
    const segment = {
      start,
      end,
      reasons: reasons.filter((r) => r.start <= start && r.end >= end && r.end > r.start),
    };
    start = end;
    return segment;
  });
}

interface MarkedTextProps {
  why: WhyData;
  reasons: Reason[];
  selected: Reason | null;
}
function MarkedText({ why, reasons, selected }: MarkedTextProps) {
  const box = useRef<HTMLParagraphElement>(null);
  const segments = useMemo(() => segmentsOf(why.text, reasons), [why, reasons]);
  useEffect(() => {
    if (selected) box.current?.querySelector("mark.on")?.scrollIntoView({ block: "nearest" });
  }, [selected]);
  return (
    <p
      class="whole-text"
      dir="auto"
      ref={box}
      tabIndex={0}
      role="region"
      aria-label={`The ${nouns.value.text}`}
    >
      {segments.map(({ start, end, reasons: own }) => {
        const words = why.text.slice(start, end);
        const isSelected = selected !== null && own.includes(selected);
        // a sentence that speaks against a factor is marked only if it is selected
        const marking = isSelected ? selected : own.find((reason) => reason.weight > 0);
        if (!marking) return words;
        return (
          <mark
            key={start}
            class={isSelected ? "on" : selected ? "off" : "some"}
            style={{ "--mark": paletteVariable(marking.factor) }}
          >
            {words}
          </mark>
        );
      })}
    </p>
  );
}

interface ReasonRowProps {
  reason: Reason;
  isSelected: boolean;
  onToggle: () => void;
  children: ComponentChildren; // the weight
}
function ReasonRow({ reason, isSelected, onToggle, children }: ReasonRowProps) {
  const hasSentence = reason.end > reason.start;
  return (
    <li>
      <button
        type="button"
        class={isSelected ? "reason on" : "reason"}
        aria-pressed={isSelected}
        onClick={onToggle}
        disabled={!hasSentence}
        title={hasSentence ? "Show the sentence" : "No single sentence carries it"}
      >
        <Dot index={reason.factor} />
        <span class="grow">
          <bdi>{reason.name}</bdi>
        </span>
        {reason.proposed && (
          <span class="tag" title="Proposed for this text">
            proposed
          </span>
        )}
        {children}
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
          <h3>How it was selected</h3>
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

function Neighbours({ near }: { near: WhyData["near"] }) {
  if (!near.length) return null;
  return (
    <>
      <h3>Nearest {nouns.value.texts}</h3>
      <ul class="near">
        {near.map((other) => (
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
              <span class="number quiet" title="Cosine similarity in the space of the factors">
                {other.r.toFixed(2)}
              </span>
            </button>
          </li>
        ))}
      </ul>
    </>
  );
}

function Body({ why }: { why: WhyData }) {
  const noun = nouns.value;
  const reasons = useMemo(() => [...why.factors, ...why.properties], [why]);
  const [selected, setSelected] = useState<Reason | null>(null);
  useEffect(() => setSelected(null), [why]);
  const max = Math.max(3, ...why.factors.map((f) => Math.abs(f.weight)));
  const row = (reason: Reason, key: string | number, weight: ComponentChildren) => (
    <ReasonRow
      key={key}
      reason={reason}
      isSelected={selected === reason}
      onToggle={() => setSelected(selected === reason ? null : reason)}
    >
      {weight}
    </ReasonRow>
  );
  return (
    <>
      <MarkedText why={why} reasons={reasons} selected={selected} />
      {why.cut && <p class="hint">The {noun.text} is truncated here; the run contains it in full.</p>}
      {why.analysis && (
        <p class="analysis" dir="auto">
          <span class="quiet">The model's note: </span>
          {why.analysis}
        </p>
      )}
      <h3>Strongest {noun.factors}</h3>
      <ul class="reasons">
        {why.factors.map((reason) =>
          row(reason, reason.factor, <SignedBar value={reason.weight} max={max} digits={1} />),
        )}
      </ul>
      <h3>Strongest {noun.properties}</h3>
      {why.properties.length ? (
        <ul class="reasons">
          {why.properties.map((reason) =>
            row(reason, reason.name, <span class="number">{reason.weight.toFixed(2)}</span>),
          )}
        </ul>
      ) : (
        <Empty>
          No {noun.property} is strong in this {noun.text}.
        </Empty>
      )}
      <Facts why={why} />
      <Neighbours near={why.near} />
    </>
  );
}

export function Why({ row }: { row: number }) {
  const { data, error, loading } = useFetched(() => source.why(row), [row, revision.value]);
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (data) heading.current?.focus({ preventScroll: true });
  }, [data?.row]);
  // focus returns to the row that it came from
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
