// An invented run for looking at the pages without Python: deterministic, with texts that are awkward to show.
import { elementAt } from "../src/arrays.ts";
import type {
  Agreement,
  Comparison,
  Factor,
  Group,
  Inlined,
  InlinedText,
  OverTime,
  PeriodShare,
  Summary,
} from "../src/contract";

function random(seed: number) {
  let state = seed;
  return () => {
    state = (state * 1664525 + 1013904223) % 4294967296;
    return state / 4294967296;
  };
}

const NAMES = [
  "thermostat · heating",
  "invoice · payment",
  "router · wifi drops out in the evening",
  "a new price that was not announced beforehand",
  "backup · deleted files",
  "open app · screen",
  "schedule · days",
  "order · courier says delivered",
  "fix came · broken",
  "password · login wants code",
  "cancel · refund",
  "living room · bedroom",
  "tell · says",
  "need engineer · facility team",
  "alerts fail silently",
  "شكوى من التأخير",
  "料金が高すぎる",
];
const SENTENCES = [
  "The router drops the connection every evening.",
  "I was billed twice and nobody answers.",
  "<script>alert(1)</script> was in my invoice, and </script> too.",
  "التطبيق لا يفتح منذ التحديث الأخير.",
  "アプリが起動しなくなりました。",
  "My thermostat says 14 degrees but the room is freezing.",
  "Please cancel my subscription and refund the last month.",
  "Since the update the schedule forgets Tuesdays.",
];

const PRODUCTS = [
  "Home router",
  "Mobile app",
  "Thermostat",
  "Online backup",
  "A product with a rather long name (2nd generation)",
];
const MONTHS = [...Array(8).keys()].map((m) => `2026-0${m + 1}`);
const RUNS = [{ name: "other-goal", goal: "which product is it about", n_factors: 6, created: "2026-11-24" }];
const RELATED: [number, number][] = [
  [1, 0.41],
  [4, 0.33],
  [7, -0.28],
  [2, -0.19],
];
const K = NAMES.length;

const factorName = (f: number) => elementAt(NAMES, f % K);
const firstPart = (name: string) => name.split(" · ", 1).join("");
const sentence = (at: number) => elementAt(SENTENCES, at % SENTENCES.length);
const textId = (i: number) => `BW-${10001 + i}`;
const nCopies = (i: number) => (i % 17 === 0 ? 3 : 1);
const isTwoPoled = (f: number) => f % 4 === 2;
/** The share of the values at some positions that meet a condition. */
const shareOf = (positions: number[], meets: (i: number) => boolean) =>
  positions.filter(meets).length / Math.max(positions.length, 1);
const positionsOf = (codes: Int16Array, code: number) => [...codes.keys()].filter((i) => codes[i] === code);

/** What is drawn at random: everything about the texts but their words. */
function draw(n: number) {
  const next = random(7);
  const normal = () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
  const centres = NAMES.map((_, f) => ({
    x: 0.5 + (0.38 * Math.cos(f * 2.4) * ((f % 3) + 1)) / 3,
    y: 0.5 + (0.38 * Math.sin(f * 2.4) * ((f % 3) + 1)) / 3,
  }));
  const product = Int16Array.from({ length: n }, () =>
    Math.max(Math.floor(next() * 5) - (next() < 0.05 ? 9 : 0), -1),
  );
  const month = Int16Array.from({ length: n }, () => Math.floor(next() * 8));
  const age = Float64Array.from({ length: n }, () => (next() < 0.1 ? Number.NaN : 18 + 60 * next()));
  const [x, y] = [new Float32Array(n), new Float32Array(n)];
  const [topic, dominant] = [new Int16Array(n), new Int16Array(n)];
  const scores = new Int16Array(K * n);
  for (let i = 0; i < n; i++) {
    const f = Math.min(Math.floor(next() ** 1.6 * K), K - 1);
    const centre = elementAt(centres, f);
    topic[i] = f;
    dominant[i] = next() < 0.06 ? -1 : f;
    x[i] = Math.min(Math.max(centre.x + 0.045 * normal(), 0), 1);
    y[i] = Math.min(Math.max(centre.y + 0.045 * normal(), 0), 1);
    for (let g = 0; g < K; g++)
      scores[g * n + i] = Math.round(1000 * (g === f ? 2 + 0.5 * normal() : 0.6 * normal()));
  }
  return { n, next, normal, centres, product, month, age, x, y, topic, dominant, scores };
}
type Draws = ReturnType<typeof draw>;

function makeText(draws: Draws, i: number): InlinedText {
  const f = elementAt(draws.topic, i);
  const [product, age] = [elementAt(draws.product, i), elementAt(draws.age, i)];
  const month = elementAt(MONTHS, elementAt(draws.month, i));
  const first = sentence(f + i);
  const long = i === 3 ? " A long story follows.".repeat(460) : "";
  const short = `${first} ${sentence(i * 5 + 1)}`;
  const reasons = [
    { factor: f, weight: 2.4, start: 0, end: first.length },
    { factor: (f + 3) % K, weight: 1.4, start: first.length + 1, end: short.length },
    { factor: (f + 5) % K, weight: -0.4, start: 0, end: 0 }, // no sentence carries it
  ];
  return {
    row: i,
    id: textId(i),
    text: short + long,
    cut: false,
    n_copies: nCopies(i),
    duplicates: nCopies(i) > 1 ? ["BW-20001", "BW-20002"] : [],
    values: [PRODUCTS[product] ?? null, month, Number.isNaN(age) ? null : age.toFixed(0)],
    metadata: {
      ticket_id: textId(i),
      product: elementAt(PRODUCTS, Math.max(product, 0)),
      month,
      tier: "Free",
    },
    analysis:
      i % 2 ? "The customer is unhappy because the same problem comes back after every update." : null,
    dominant: elementAt(draws.dominant, i),
    factors: reasons.map((reason) => ({
      ...reason,
      name: factorName(reason.factor),
      proposed: reason.factor === f,
    })),
    properties: [...Array(6).keys()].map((p) => ({
      factor: (f + (p > 3 ? 3 : 0)) % K,
      name: `property ${p + 1} of ${firstPart(factorName(f))}`,
      weight: 0.8 - 0.1 * p,
      proposed: p < 2,
      start: 0,
      end: p < 3 ? first.length : 0,
    })),
    selected: [],
    near: [],
  };
}

function makeFactor(draws: Draws, f: number): Factor {
  const { n, dominant, month, scores, centres, topic } = draws;
  const name = factorName(f);
  const own = positionsOf(dominant, f);
  const hasPoles = isTwoPoled(f);
  return {
    index: f,
    name,
    description: `Texts in which ${name.replace(" · ", " and ")} come up, mostly as a complaint.`,
    poles: hasPoles ? [name, "everything works as it should"] : [name],
    tc: 120 / (f + 1),
    share: own.length / n,
    n_texts: own.length,
    n_properties: 40 - f,
    properties: [...Array(12).keys()].map((p) => ({
      name: `property ${p + 1} of ${firstPart(name)}`,
      weight: (0.9 - 0.06 * p) * (hasPoles && p > 8 ? -1 : 1),
      n_texts: 60 - 4 * p,
    })),
    evidence: own.slice(0, 6).map((i, at) => ({
      row: i,
      id: textId(i),
      score: elementAt(scores, f * n + i) / 1000,
      pole: hasPoles && at > 3 ? -1 : 1,
      before: at ? "…and then it went on. " : "",
      sentence: sentence(elementAt(topic, i) + i),
      after: " Nothing helped…",
      n_same: 0,
      n_copies: nCopies(i),
    })),
    related: RELATED.map(([step, r]) => ({ factor: (f + step) % K, r })),
    trend: MONTHS.map((_, m) => shareOf(positionsOf(month, m), (i) => dominant[i] === f)),
    hidden: false,
    ...elementAt(centres, f),
  };
}

function makeComparison(column: number, groups: Group[], shares: number[][]): Comparison {
  return {
    column,
    groups,
    shares,
    means: shares.map((row) => row.map((share) => (share - 0.08) * 6)),
    tests: shares.map((row, f) => ({
      factor: f,
      effect: Math.max(...row) * 0.8,
      measure: "eta squared",
      p: 0.001 * (f + 1) ** 2,
      q: Math.min(1, 0.002 * (f + 1) ** 2),
      sentence: `“${factorName(f)}” differs between the groups.`,
    })),
    pair: null,
  };
}

function makeComparisons({ n, product, month, dominant }: Draws): Comparison[] {
  const sharesBy = (codes: Int16Array, groups: string[]) =>
    NAMES.map((_, f) => groups.map((_, g) => shareOf(positionsOf(codes, g), (i) => dominant[i] === f)));
  const groupsOf = (codes: Int16Array, names: string[]) =>
    names.map((name, g): Group => ({ name, n: positionsOf(codes, g).length, range: null }));
  const ages = [18, 33, 48, 63].map(
    (low): Group => ({ name: `${low}–${low + 15}`, n: Math.round(n / 4), range: [low, low + 15] }),
  );
  const monthly = sharesBy(month, MONTHS);
  return [
    makeComparison(0, groupsOf(product, PRODUCTS), sharesBy(product, PRODUCTS)),
    makeComparison(1, groupsOf(month, MONTHS), monthly),
    makeComparison(
      2,
      ages,
      monthly.map((row) => row.slice(0, ages.length)),
    ),
  ];
}

function makeOverTime({ month, dominant }: Draws): OverTime {
  const shareIn = (f: number, m: number): PeriodShare => {
    const own = positionsOf(month, m);
    const share = shareOf(own, (i) => dominant[i] === f);
    return {
      share,
      low: Math.max(share - 0.03, 0),
      high: share + 0.04,
      n: Math.round(share * own.length),
    };
  };
  return {
    column: 1,
    unit: "month",
    periods: MONTHS.map((name, m) => ({ code: m, name, n: positionsOf(month, m).length })),
    n_outside: 0,
    n_missing: 0,
    factors: NAMES.map((_, f) => ({
      factor: f,
      shares: MONTHS.map((_, m) => shareIn(f, m)),
      course: f < 2 ? "rises" : "steady",
      ends: [0.05, 0.15 - 0.01 * f],
      q: Math.min(1, 0.002 * (f + 1) ** 2),
      sentence: `“${factorName(f)}” changes.`,
    })),
  };
}

function makeAgreement(draws: Draws, texts: InlinedText[]): Agreement {
  const names = ["router", "app", "thermostat", "backup", "billing", "other things altogether"];
  const table = (cell: (f: number, j: number) => number) =>
    NAMES.map((_, f) => names.map((_, j) => cell(f, j)));
  const isMatch = (f: number, j: number) => f % names.length === j;
  return {
    run: elementAt(RUNS, 0),
    n_common: draws.n,
    factors: names.map((name, j) => ({ name, share: 0.3 - 0.04 * j })),
    r: table((f, j) => (isMatch(f, j) ? 0.8 : 0.15) * (0.5 + draws.next() / 2)),
    overlap: table((f, j) => (isMatch(f, j) ? 30 : 3)),
    ari: 0.31,
    matches: names.map((_, j) => ({ factor: j, other: j, r: 0.75 - 0.1 * j })),
    moved: texts.slice(0, 80).map(({ row, id, text }, i) => ({
      row,
      id,
      text,
      from: i % K,
      to: (i + 2) % names.length,
    })),
    n_moved: 123,
  };
}

function makeSummary(n: number, factors: Factor[]): Summary {
  return {
    format: 1,
    kind: "texts",
    goal: "what makes customers unhappy",
    run: "invented",
    created: "2026-11-25 12:00",
    version: "0.0",
    headline: `${n} texts form ${K} factors.`,
    able: { edit: false, meaning: false, fullTexts: true, compareRuns: true },
    n_texts: n,
    n_rows: n + 30,
    n_shown: n,
    cut: 0,
    factors,
    hierarchy: [
      { name: "devices at home", children: [0, 2, { name: "rooms and days", children: [6, 11] }, 13] },
      { name: "money", children: [1, 3, 10, 16] },
      { name: "software", children: [4, 5, 9, 14] },
      { name: "service", children: [7, 8, 12, 15] },
    ],
    columns: [
      { name: "product", kind: "category", values: PRODUCTS, rest: null, low: null, high: null },
      { name: "month", kind: "time", values: MONTHS, rest: null, low: null, high: null },
      { name: "age", kind: "number", values: [], rest: null, low: 18, high: 78 },
    ],
    left_out: [{ name: "ticket_id", why: "ids" }],
    trend: { column: "month", periods: MONTHS },
    runs: RUNS,
    quality: [
      {
        name: "recall@10",
        value: "0.40",
        meaning: "Of the properties proposed for texts set aside, 40% are among the ten ranked highest.",
      },
    ],
    stages: [{ name: "Properties", facts: "offline; 2,182 properties", seconds: 35 }],
    findings: ["“invoice · payment” is twice as frequent in Online backup."],
    edits: { done: [], undone: 0, lost: [], lines: 0 },
    limits: { name: 120, description: 400, parts: 12 },
    citations: [
      { what: "method", text: "Instruct-LF (NAACL 2025)", url: "https://arxiv.org/abs/2502.15147" },
    ],
  };
}

const base64 = (...arrays: ArrayBufferView[]) =>
  Buffer.concat(arrays.map((a) => Buffer.from(a.buffer, a.byteOffset, a.byteLength))).toString("base64");

export function inventedData(n: number): Inlined {
  const draws = draw(n);
  const { x, y, dominant, scores, product, month, age, normal } = draws;
  const row = Int32Array.from({ length: n }, (_, i) => i);
  const texts = [...row].map((i) => makeText(draws, i));
  const factors = NAMES.map((_, f) => makeFactor(draws, f));
  const properties = factors.flatMap((factor) => factor.properties.map((property) => ({ property, factor })));
  return {
    summary: makeSummary(n, factors),
    map: base64(x, y, dominant, row),
    scores: base64(scores),
    columns: [base64(product), base64(month), base64(age)],
    layer: {
      names: properties.map(({ property }) => property.name),
      factor: properties.map(({ factor }) => factor.index),
      n_texts: properties.map(({ property }) => property.n_texts),
      x: properties.map(({ factor }) => factor.x + 0.05 * normal()),
      y: properties.map(({ factor }) => factor.y + 0.05 * normal()),
    },
    texts,
    metadata: ["ticket_id", "product", "month", "tier"].map((name): [string, string] => [name, name]),
    comparisons: makeComparisons(draws),
    over_time: [makeOverTime(draws)],
    agreements: [makeAgreement(draws, texts)],
  };
}
