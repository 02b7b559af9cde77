// An invented run for looking at the pages without Python: deterministic, with the awkward texts a page must bear.
import type { Comparison, Factor, Inlined } from "../src/contract";

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
const base64 = (array: ArrayBufferView) =>
  Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString("base64");

export function inventedData(n: number): Inlined {
  const next = random(7);
  const k = NAMES.length;
  const normal = () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
  const centres = NAMES.map((_, f) => [
    0.5 + (0.38 * Math.cos(f * 2.4) * ((f % 3) + 1)) / 3,
    0.5 + (0.38 * Math.sin(f * 2.4) * ((f % 3) + 1)) / 3,
  ]);
  const [x, y] = [new Float32Array(n), new Float32Array(n)];
  const dominant = new Int16Array(n);
  const row = Int32Array.from({ length: n }, (_, i) => i);
  const scores = new Int16Array(k * n);
  const product = Int16Array.from({ length: n }, () => Math.floor(next() * 5) - (next() < 0.05 ? 9 : 0)).map(
    (v) => Math.max(v, -1),
  );
  const month = Int16Array.from({ length: n }, () => Math.floor(next() * 8));
  const age = Float64Array.from({ length: n }, () => (next() < 0.1 ? Number.NaN : 18 + 60 * next()));
  const products = [
    "Home router",
    "Mobile app",
    "Thermostat",
    "Online backup",
    "A product with a rather long name (2nd generation)",
  ];
  const months = [...Array(8).keys()].map((m) => `2026-0${m + 1}`);
  const texts: Inlined["texts"] = [];
  for (let i = 0; i < n; i++) {
    const f = Math.min(Math.floor(next() ** 1.6 * k), k - 1);
    dominant[i] = next() < 0.06 ? -1 : f;
    x[i] = Math.min(Math.max(centres[f][0] + 0.045 * normal(), 0), 1);
    y[i] = Math.min(Math.max(centres[f][1] + 0.045 * normal(), 0), 1);
    for (let g = 0; g < k; g++)
      scores[g * n + i] = Math.round(100 * (g === f ? 2 + 0.5 * normal() : 0.6 * normal()));
    const first = SENTENCES[(f + i) % SENTENCES.length];
    const long = i === 3 ? " A long story follows.".repeat(460) : "";
    const text = `${first} ${SENTENCES[(i * 5 + 1) % SENTENCES.length]}${long}`;
    texts.push({
      row: i,
      id: `BW-${10001 + i}`,
      text,
      cut: false,
      n_copies: i % 17 === 0 ? 3 : 1,
      duplicates: i % 17 === 0 ? ["BW-20001", "BW-20002"] : [],
      values: [
        product[i] < 0 ? null : products[product[i]],
        months[month[i]],
        Number.isNaN(age[i]) ? null : age[i].toFixed(0),
      ],
      metadata: {
        ticket_id: `BW-${10001 + i}`,
        product: products[Math.max(product[i], 0)],
        month: months[month[i]],
        tier: "Free",
      },
      analysis:
        i % 2 ? "The customer is unhappy because the same problem comes back after every update." : null,
      dominant: dominant[i],
      factors: [f, (f + 3) % k, (f + 5) % k].map((g, r) => ({
        factor: g,
        name: NAMES[g],
        weight: (2.4 - r) * (r === 2 ? -1 : 1),
        proposed: r === 0,
        start: r === 1 ? first.length + 1 : 0,
        end: r === 1 ? text.length - long.length : r === 0 ? first.length : 0,
      })),
      properties: [...Array(6).keys()].map((p) => ({
        factor: (f + (p > 3 ? 3 : 0)) % k,
        name: `property ${p + 1} of ${NAMES[f].split(" · ")[0]}`,
        weight: 0.8 - 0.1 * p,
        proposed: p < 2,
        start: p < 3 ? 0 : 0,
        end: p < 3 ? first.length : 0,
      })),
      selected: [],
      near: [],
    });
  }
  const shares = NAMES.map((_, f) =>
    products.map((_, g) => {
      const inside = [...product.keys()].filter((i) => product[i] === g);
      return inside.filter((i) => dominant[i] === f).length / Math.max(inside.length, 1);
    }),
  );
  const factors = NAMES.map((name, f): Factor => {
    const mine = [...dominant.keys()].filter((i) => dominant[i] === f);
    return {
      index: f,
      name,
      description: `Texts in which ${name.replace(" · ", " and ")} come up, mostly as a complaint.`,
      poles: f % 4 === 2 ? [name, "everything works as it should"] : [name],
      tc: 120 / (f + 1),
      share: mine.length / n,
      n_texts: mine.length,
      n_properties: 40 - f,
      properties: [...Array(12).keys()].map((p) => ({
        name: `property ${p + 1} of ${name.split(" · ")[0]}`,
        weight: (0.9 - 0.06 * p) * (f % 4 === 2 && p > 8 ? -1 : 1),
        n_texts: 60 - 4 * p,
      })),
      evidence: mine.slice(0, 6).map((i, e) => ({
        row: i,
        id: texts[i].id,
        score: scores[f * n + i] / 100,
        pole: f % 4 === 2 && e > 3 ? -1 : 1,
        before: e ? "…and then it went on. " : "",
        sentence: SENTENCES[(f + i) % SENTENCES.length],
        after: " Nothing helped…",
        n_same: 0,
        n_copies: texts[i].n_copies,
      })),
      related: [1, 4, 7, 2].map((d, at) => ({ factor: (f + d) % k, r: [0.41, 0.33, -0.28, -0.19][at] })),
      trend: months.map(
        (_, m) =>
          mine.filter((i) => month[i] === m).length / Math.max([...month].filter((v) => v === m).length, 1),
      ),
      hidden: false,
      x: centres[f][0],
      y: centres[f][1],
    };
  });
  const comparison = (
    column: number,
    groups: { name: string; n: number; range?: [number, number] }[],
    wide: number[][],
  ): Comparison => ({
    column,
    groups: groups.map((group) => ({ range: null, ...group })),
    shares: wide,
    means: wide.map((r) => r.map((v) => (v - 0.08) * 6)),
    tests: factors.map((f) => ({
      factor: f.index,
      effect: Math.max(...wide[f.index]) * 0.8,
      measure: "eta squared",
      p: 0.001 * (f.index + 1) ** 2,
      q: Math.min(1, 0.002 * (f.index + 1) ** 2),
      sentence: `“${f.name}” differs between the groups.`,
    })),
    pair: null,
  });
  const monthly = factors.map((f) => f.trend as number[]);
  return {
    summary: {
      format: 1,
      kind: "texts",
      goal: "what makes customers unhappy",
      run: "invented",
      created: "2026-11-25 12:00",
      version: "0.0",
      headline: `${n} texts form ${k} factors.`,
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
        { name: "product", kind: "category", values: products, rest: null, low: null, high: null },
        { name: "month", kind: "time", values: months, rest: null, low: null, high: null },
        { name: "age", kind: "number", values: [], rest: null, low: 18, high: 78 },
      ],
      left_out: [{ name: "ticket_id", why: "ids" }],
      trend: { column: "month", periods: months },
      runs: [{ name: "other-goal", goal: "which product is it about", n_factors: 6, created: "2026-11-24" }],
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
    },
    map: base64(Buffer.concat([x, y, dominant, row].map((a) => Buffer.from(a.buffer)))),
    scores: base64(scores),
    columns: [base64(product), base64(month), base64(age)],
    layer: {
      names: factors.flatMap((f) => f.properties.map((p) => p.name)),
      factor: factors.flatMap((f) => f.properties.map(() => f.index)),
      n_texts: factors.flatMap((f) => f.properties.map((p) => p.n_texts)),
      x: factors.flatMap((f) => f.properties.map(() => f.x + 0.05 * normal())),
      y: factors.flatMap((f) => f.properties.map(() => f.y + 0.05 * normal())),
    },
    texts,
    metadata: Object.keys(texts[0].metadata).map((name): [string, string] => [name, name]),
    comparisons: [
      comparison(
        0,
        products.map((name, g) => ({ name, n: [...product].filter((v) => v === g).length })),
        shares,
      ),
      comparison(
        1,
        months.map((name, m) => ({ name, n: [...month].filter((v) => v === m).length })),
        monthly,
      ),
      comparison(
        2,
        [18, 33, 48, 63].map((low) => ({
          name: `${low}–${low + 15}`,
          n: Math.round(n / 4),
          range: [low, low + 15],
        })),
        monthly.map((r) => r.slice(0, 4)),
      ),
    ],
    agreements: [
      {
        run: { name: "other-goal", goal: "which product is it about", n_factors: 6, created: "2026-11-24" },
        n_common: n,
        factors: ["router", "app", "thermostat", "backup", "billing", "other things altogether"].map(
          (name, j) => ({ name, share: 0.3 - 0.04 * j }),
        ),
        r: factors.map((f) =>
          [...Array(6).keys()].map((j) => (f.index % 6 === j ? 0.8 : 0.15) * (0.5 + next() / 2)),
        ),
        overlap: factors.map((f) => [...Array(6).keys()].map((j) => (f.index % 6 === j ? 30 : 3))),
        ari: 0.31,
        matches: [...Array(6).keys()].map((j) => ({ factor: j, other: j, r: 0.75 - 0.1 * j })),
        moved: texts
          .slice(0, 80)
          .map((t, i) => ({ row: t.row, id: t.id, text: t.text, from: i % k, to: (i + 2) % 6 })),
        n_moved: 123,
      },
    ],
  };
}
