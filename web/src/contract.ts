// What the pages ask for and what they get: the one agreement between explorer.py, report.html and the front end.
//
// Served: every path below under the page's origin, with the token of the page's URL in the header X-Goalspace-Token
// (downloads: ?token=). Errors are {"error": "one line for a person"} with 400, 403, 404 or 409.
// Inlined: report.html holds {"summary": Summary, "columns": …, "texts": …} and the same questions are answered in
// the page (src/inline.ts); what needs a language model, an encoder or a write is then absent, see Summary.able.
//
// A row is the position of a text in the corpus (0-based). A factor is its position in `Summary.factors`.

export interface Capabilities {
  edit: boolean;      // POST /api/edits is there
  meaning: boolean;   // search by meaning is there (an encoder can be loaded)
  fullTexts: boolean; // texts are whole, else cut to Summary.cut characters
  compareRuns: boolean;
}

export interface Property { name: string; weight: number; n_texts: number }   // weight: signed correlation with the factor

export interface Sentence {                     // one piece of evidence, the sentence inside its text
  row: number; id: string; score: number; pole: 1 | -1;
  before: string; sentence: string; after: string;   // "…" already put where the text was cut
  n_same: number; n_copies: number;
}

export interface Factor {
  index: number; name: string; description: string;
  poles: string[];                               // one or two
  tc: number; share: number; n_texts: number;    // nats (instructions: mean cosine of its own with their centre); share and number of texts of which it is the dominant factor
  n_properties: number; properties: Property[];  // strongest first, at most 24 (GET /api/factors/{k} gives all)
  evidence: Sentence[];
  related: { factor: number; r: number }[];      // correlation of scores, strongest |r| first, at most 5; r < 0: opposite
  trend: (number | null)[] | null;               // share per period of Summary.trend.periods; null where it has no texts
  hidden: boolean;
  x: number; y: number;                          // place of its label, unit square
}

export interface Column {                        // a metadata column the texts can be coloured, filtered and compared by
  name: string;
  kind: "category" | "number" | "time";
  values: string[];                              // category, time: what the codes mean, in reading order
  rest: number | null;                           // the code of all values that are too rare for one of their own
  low: number | null; high: number | null;       // number
}

export interface Run { name: string; goal: string; n_factors: number; created: string }

export interface Tree { name: string; children: (Tree | number)[] }   // a number is a factor

export interface Summary {
  format: 1;
  kind: "texts" | "instructions";                // instructions: factors are tasks, properties their wordings; nothing is edited
  goal: string; run: string; created: string; version: string; headline: string;   // names in sentences, here and below, are isolated (U+2068 … U+2069)
  able: Capabilities;
  n_texts: number; n_rows: number; n_shown: number;   // n_shown < n_texts: an inlined sample
  cut: number;                                   // characters per text where texts are cut
  factors: Factor[];
  hierarchy: Tree[];                             // empty where there is none
  columns: Column[];
  left_out: { name: string; why: string }[];     // columns that are none of these
  trend: { column: string; periods: string[] } | null;
  runs: Run[];                                   // other runs beside this one over (mostly) the same texts
  quality: { name: string; value: string; meaning: string }[];
  stages: { name: string; facts: string; seconds: number }[];
  findings: string[];                            // sentences
  edits: {
    done: (Edit & { said: string })[];           // said: the edit as a sentence
    undone: number;                              // how many can be redone
    lost: string[];                              // a line for each edit of done that a refit made inapplicable
    lines: number;                               // of the log, which only grows: tells one state of the factors from another
  };
  limits: { name: number; description: number; parts: number };   // of an edit: characters of a name or property and of a description; parts of a split
  citations: { what: string; text: string; url: string }[];
}

// GET /api/summary → Summary; GET /api/summary?seen=LINES → Changed since the log had so many lines
// GET /api/map → bytes, little endian: float32 x[n_shown], float32 y[n_shown], int16 dominant[n_shown] (-1: none), int32 row[n_shown]
// GET /api/scores/{factor} → float32[n_shown]
// GET /api/columns/{position in Summary.columns} → category, time: int16 codes[n_shown] (-1 missing); number: float32[n_shown] (NaN missing)
// GET /api/properties → Layer: the properties as a second layer of the map
export interface Layer { names: string[]; factor: number[]; n_texts: number[]; x: number[]; y: number[] }

// GET /api/factors/{k} → Factor with all properties and more evidence

export interface Query {
  search?: string; by?: "words" | "meaning";     // words: all must occur, case and accents aside; "in quotes": as a whole
  rows?: number[];                               // only these (a lasso)
  factors?: { factor: number; low: number | null; high: number | null }[];   // of the standardised score
  dominant?: number[];                           // -1: texts without a factor
  columns?: { column: number; values?: number[]; low?: number | null; high?: number | null }[];   // codes, -1 missing; or a range
  sort?: { by: "id" | "length" | "factor" | "column"; at?: number; down: boolean };   // none: as read, or most alike first; ids that are all integers by number, missing values last
  offset?: number; limit?: number;               // limit at most 200
}
export interface Hit {
  row: number; id: string; text: string;         // cut to 300 characters around the first match
  marks: [number, number][];                     // what matched, in UTF-16 units of `text`
  dominant: number; score: number | null;        // the score on the dominant factor
  sought: number | null;                         // the score on the factor that the query sorts by, else first filters by
  relevance: number | null;
  values: (string | null)[];                     // by column
}
export interface Hits { total: number; hits: Hit[]; rows: number[] }   // rows: all found, at most 100,000, in order: for the map; [] where offset > 0
// POST /api/texts Query → Hits

export interface Reason { name: string; weight: number; proposed: boolean; start: number; end: number }   // UTF-16 units of the text; start = end: no sentence
export interface Why {                           // GET /api/texts/{row}
  row: number; id: string; text: string; cut: boolean;
  n_copies: number; duplicates: string[];
  values: (string | null)[];
  metadata: Record<string, string>;              // every column, also those one cannot compare by
  analysis: string | null;                       // what the language model noted
  dominant: number;
  factors: (Reason & { factor: number })[];      // weight: standardised score; strongest |score| first; start, end: the sentence that carries it
  properties: (Reason & { factor: number })[];   // weight: link strength; at most 15
  selected: { name: string; value: string }[];   // instruction data: what a selection or retrieval said of it
  near: { row: number; id: string; text: string; r: number }[];   // the nearest texts in the space of the factors, at most 5
}

export interface Comparison {                    // GET /api/compare?column=P[&a=CODE&b=CODE]
  column: number;
  groups: { name: string; n: number; range: [number, number] | null }[];   // range: of a group of numbers the least and the greatest
  shares: (number | null)[][];                   // factor × group: share of the group's texts with that dominant factor; null: no texts
  means: (number | null)[][];                    // factor × group: mean standardised score; null: no texts
  // one test per factor that is not hidden: one-way over all groups of two texts or more, or a against b; p corrected
  // over these factors (Benjamini–Hochberg). Names in the sentences are isolated (U+2068 … U+2069)
  tests: { factor: number; effect: number; measure: string; p: number; q: number; sentence: string }[];
  pair: { a: number; b: number; tests: { factor: number; effect: number; low: number; high: number; p: number; q: number }[] } | null;   // Cohen's d with 95 % interval
}

export interface Agreement {                     // GET /api/runs/{name}
  run: Run; n_common: number;
  factors: { name: string; share: number }[];    // of the other run
  r: number[][];                                 // this run's factors × the other's: correlation of scores over the common texts
  overlap: number[][];                           // number of common texts by dominant factor
  ari: number;
  matches: { factor: number; other: number; r: number }[];   // best pairs, one to one
  moved: { row: number; id: string; text: string; from: number; to: number }[];   // at most 200: not where their factor's match is
  n_moved: number;
}

export type Edit =
  | { do: "rename"; factor: number; name: string; description?: string }
  | { do: "merge"; factors: number[]; name?: string }
  | { do: "split"; factor: number; into: number }
  | { do: "hide"; factor: number; hidden: boolean }
  | { do: "move"; property: string; to: number | null }       // null: to no factor
  | { do: "add"; property: string; to: number }               // a property in the analyst's words
  | { do: "remove"; property: string };
export interface Changed extends Summary {
  moved: number[][];                             // for each factor as it was seen, what it is now: [] gone, several where it was split
}
// POST /api/edits Edit & {seen} → Changed; POST /api/undo {seen} → Changed; POST /api/redo {seen} → Changed
// seen: Summary.edits.lines of the factors that the page shows; 409 where the server has others by now (left out: as they are)
// GET /api/export/{texts|factors|properties|evidence}.{csv|parquet|json}?token=… → a file; POST /api/export/{…} Query → the texts found only
// GET /api/export/report.html?token=… → the self-contained report

// report.html: the page's data, in <script type="application/json" id="goalspace-data">, with every "<" written as \u003c
export interface Inlined {
  summary: Summary;                              // n_shown texts, a sample where n_shown < n_texts
  map: string;                                   // base64 of the bytes of GET /api/map
  scores: string;                                // base64 of int16[n_factors][n_shown]: standardised scores × 1,000, cut to ±32
  columns: string[];                             // base64 of the bytes of GET /api/columns/{p}, one a column; numbers as float64
  layer: Layer;
  texts: (Omit<Why, "near"> & { near: [row: number, r: number][] })[];   // in the order of the map; near: among these; properties: at most 8
  metadata: [shown: string, name: string][];     // the columns of Why.metadata, in order, with their whole names
  comparisons: Comparison[];                     // GET /api/compare?column=p of all texts, one a column; pair: null (computed in the page)
  agreements: Agreement[];                       // one a run of Summary.runs, or none
}
