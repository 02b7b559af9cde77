// Generated from src/goalspace/ (edits/contract.py, reports/contract.py, reports/contract_details.py, explorer/contract.py) by `make contract`; do not edit.

// The JSON objects of edits, as the explorer's page sends and reads them.

/** Rename a factor. */
export interface Rename {
  do: "rename";
  factor: number;
  name: string;
  description?: string;
}

/** Merge factors. */
export interface Merge {
  do: "merge";
  factors: number[];
  name?: string;
}

/** Split a factor into parts. */
export interface Split {
  do: "split";
  factor: number;
  into: number;
}

/** Hide a factor, or show it again. */
export interface Hide {
  do: "hide";
  factor: number;
  hidden: boolean;
}

/** Move a property to another factor, or to none. */
export interface Move {
  do: "move";
  property: string;
  to: number | null;
}

/** Add a property in the analyst's words. */
export interface Add {
  do: "add";
  property: string;
  to: number;
}

/** Remove a property. */
export interface Remove {
  do: "remove";
  property: string;
}

export type Edit = Rename | Merge | Split | Hide | Move | Add | Remove;

/** An edit of any kind that was made, and what it did as a sentence. */
export interface DoneEdit {
  do: "rename" | "merge" | "split" | "hide" | "move" | "add" | "remove";
  factor?: number;
  factors?: number[];
  name?: string;
  description?: string;
  into?: number;
  hidden?: boolean;
  property?: string;
  to?: number | null;
  said: string;
}

/** The edits of the run. */
export interface EditHistory {
  done: DoneEdit[];
  /** How many can be redone. */
  undone: number;
  /** A line for each edit that could not be applied again after the factors were refitted. */
  lost: string[];
  /** Length of the log, which only grows; it identifies one state of the factors. */
  lines: number;
}

/** Upper limits of an edit: characters of a name or property, characters of a description, parts of a split. */
export interface EditLimits {
  name: number;
  description: number;
  parts: number;
}

// The JSON objects about a whole run that the explorer's page and report.html read.
//
// `web/src/contract.ts` is generated from this module, `contract_details`, and `contract` of `edits` and `explorer`.
//
// A row is the position of a text in the corpus, from 0. A factor is its position in `Summary.factors`. A code is a
// position in `Column.values`; -1 stands for a missing value. Offsets in texts count UTF-16 code units. Names that are part
// of a sentence are isolated (U+2068 … U+2069), because they may be in a script with another direction.

/** A property of a factor. */
export interface Property {
  name: string;
  /** Correlation with the factor, signed. */
  weight: number;
  n_texts: number;
}

/** One piece of evidence for a factor: a sentence and the text around it. */
export interface Sentence {
  id: string;
  row: number;
  score: number;
  pole: 1 | -1;
  /** Starts with "…" where the text was cut. */
  before: string;
  sentence: string;
  /** Ends with "…" where the text was cut. */
  after: string;
  /** Number of other texts with the same sentence. */
  n_same: number;
  /** Number of rows of the input with this text. */
  n_copies: number;
}

/** Another factor, with the correlation of the scores; a negative one means opposite. */
export interface RelatedFactor {
  factor: number;
  r: number;
}

/** GET /api/factors/{factor}; also part of the summary, with fewer properties. */
export interface Factor {
  index: number;
  name: string;
  description: string;
  /** One or two. */
  poles: string[];
  /** Total correlation in nats; of tasks, the mean cosine of their instructions with their centroid. */
  tc: number;
  /** Share of the texts whose dominant factor this is. */
  share: number;
  /** Number of the texts whose dominant factor this is. */
  n_texts: number;
  n_properties: number;
  /** Share per period of `Summary.trend`; null for a period without texts. */
  trend: (number | null)[] | null;
  hidden: boolean;
  /** Strongest first; at most 24 in the summary. */
  properties: Property[];
  evidence: Sentence[];
  /** Strongest |r| first, at most 5. */
  related: RelatedFactor[];
  /** Position of the label in the unit square. */
  x: number;
  y: number;
}

/** A group of factors and groups; a number is a factor. */
export interface Tree {
  name: string;
  children: (Tree | number)[];
}

/** GET /api/properties: the properties as a second layer of the map, one list per attribute. */
export interface Layer {
  names: string[];
  /** -1 for a property without a factor. */
  factor: number[];
  n_texts: number[];
  x: number[];
  y: number[];
}

export type ColumnKind = "category" | "number" | "time";

/** A metadata column by which texts can be coloured, filtered and compared. */
export interface Column {
  name: string;
  kind: ColumnKind;
  /** What the codes mean, in reading order; empty for numbers. */
  values: string[];
  /** The code shared by all values that are too rare for their own. */
  rest: number | null;
  /** The smallest number; null unless the column has numbers. */
  low: number | null;
  high: number | null;
}

/** A metadata column that is not offered for comparison, and the reason. */
export interface LeftOutColumn {
  name: string;
  why: string;
}

/** The time column behind `Factor.trend`. */
export interface Trend {
  column: string;
  periods: string[];
}

/** Another run over mostly the same texts. */
export interface Run {
  name: string;
  goal: string;
  n_factors: number;
  created: string;
}

/** A held-out measure of the links, formatted, and a sentence that explains it. */
export interface QualityMeasure {
  name: string;
  value: string;
  meaning: string;
}

/** A stage of the run. */
export interface Stage {
  name: string;
  facts: string;
  seconds: number;
}

/** A publication to cite; the URL may be empty. */
export interface Citation {
  what: string;
  text: string;
  url: string;
}

/** What the source of the data can do. */
export interface Capabilities {
  /** Change the factors. */
  edit: boolean;
  /** Search by meaning, which needs the encoder. */
  meaning: boolean;
  /** Return whole texts; otherwise they are cut to `Summary.cut` characters. */
  fullTexts: boolean;
  compareRuns: boolean;
}

/** GET /api/summary. */
export interface Summary {
  format: 1;
  /** Of instructions, factors are tasks and properties are their wordings; they cannot be edited. */
  kind: "texts" | "instructions";
  goal: string;
  run: string;
  created: string;
  version: string;
  citations: Citation[];
  headline: string;
  able: Capabilities;
  n_texts: number;
  n_rows: number;
  /** Texts on the map; fewer than n_texts if report.html holds a sample. */
  n_shown: number;
  /** Characters per text where texts are cut. */
  cut: number;
  factors: Factor[];
  /** Empty if there is none; factors that belong to no group are left out. */
  hierarchy: Tree[];
  columns: Column[];
  left_out: LeftOutColumn[];
  trend: Trend | null;
  runs: Run[];
  quality: QualityMeasure[];
  stages: Stage[];
  /** Sentences. */
  findings: string[];
  edits: EditHistory;
  limits: EditLimits;
}

// The JSON objects about one text, groups of texts, periods and two runs, and the data of report.html.

/** A factor or property of a text and the sentence that supports it; start = end if none does. */
export interface Reason {
  /** -1 for a property without a factor. */
  factor: number;
  name: string;
  /** The standardised score on the factor, or the strength of the link to the property. */
  weight: number;
  proposed: boolean;
  start: number;
  end: number;
}

/** What a selection or a retrieval recorded about an instruction. */
export interface SelectionValue {
  name: string;
  value: string;
}

/** A text near another in the space of the factors; r is the cosine. */
export interface Neighbour {
  row: number;
  id: string;
  text: string;
  r: number;
}

/** A text and the reasons for its scores. */
export interface ExplainedText {
  row: number;
  id: string;
  text: string;
  cut: boolean;
  n_copies: number;
  /** Ids of the copies, at most 50. */
  duplicates: string[];
  /** By column. */
  values: (string | null)[];
  /** All metadata columns, including those that cannot be compared by; missing values are left out. */
  metadata: Record<string, string>;
  /** What the language model noted. */
  analysis: string | null;
  dominant: number;
  /** Strongest |score| first. */
  factors: Reason[];
  /** At most 15; in report.html, 8. */
  properties: Reason[];
  selected: SelectionValue[];
}

/** GET /api/texts/{row}. */
export interface Why extends ExplainedText {
  /** At most 5, nearest first. */
  near: Neighbour[];
}

/** A group of texts with equal values in a column, or with numbers in a range. */
export interface Group {
  name: string;
  n: number;
  /** The smallest and the largest number of the group. */
  range: [number, number] | null;
}

/** Whether a factor differs between groups; q is p corrected over the tested factors (Benjamini–Hochberg). */
export interface FactorTest {
  factor: number;
  effect: number;
  measure: string;
  p: number;
  q: number;
  sentence: string;
}

/** Cohen's d between two groups with its 95% interval. */
export interface PairTest {
  factor: number;
  effect: number;
  p: number;
  q: number;
  low: number;
  high: number;
}

/** Two groups compared. */
export interface PairComparison {
  a: number;
  b: number;
  tests: PairTest[];
}

/** GET /api/compare?column=POSITION[&a=GROUP&b=GROUP]: the factors by the groups of a column. */
export interface Comparison {
  column: number;
  groups: Group[];
  /** Factor × group: share of the group's texts with that dominant factor; null for a group without texts. */
  shares: (number | null)[][];
  /** Factor × group: mean standardised score; null for a group without texts. */
  means: (number | null)[][];
  /** One per visible factor: over all groups of two texts or more, or a against b. */
  tests: FactorTest[];
  pair: PairComparison | null;
}

/** What the share of a factor does; steady: no significant change. */
export type Course = "rises" | "falls" | "varies" | "steady";

/** A period of a time column, and the number of its texts. */
export interface Period {
  code: number;
  name: string;
  n: number;
}

/** The share of a period's texts with a dominant factor, its 95% interval (Wilson), and the number of these texts. */
export interface PeriodShare {
  share: number;
  low: number;
  high: number;
  n: number;
}

/** The share of a factor over the periods, and whether it changes. */
export interface FactorOverTime {
  factor: number;
  /** Null for a period without texts. */
  shares: (PeriodShare | null)[];
  course: Course;
  /** The shares in the first and the last period, by a logistic trend. */
  ends: [number, number];
  /** The smaller p of the tests of trend and of departure from it, corrected over the visible factors (Benjamini–Hochberg). */
  q: number;
  sentence: string;
}

/** GET /api/over-time?column=POSITION: the factors over the periods of a time column. */
export interface OverTime {
  column: number;
  unit: string;
  periods: Period[];
  /** Texts from before the first and after the last period. */
  n_outside: number;
  /** Texts without a date. */
  n_missing: number;
  /** The visible ones, the surest change first. */
  factors: FactorOverTime[];
}

/** A factor of the other run. */
export interface OtherFactor {
  name: string;
  share: number;
}

/** A factor, the matching one of the other run, and the correlation of the scores. */
export interface Match {
  factor: number;
  other: number;
  r: number;
}

/** A text whose dominant factor in the other run does not match its own. */
export interface MovedText {
  row: number;
  id: string;
  text: string;
  from: number;
  to: number;
}

/** GET /api/runs/{name}: the factors of two runs over their common texts. */
export interface Agreement {
  run: Run;
  n_common: number;
  factors: OtherFactor[];
  /** This run's factors × the other's: correlation of the scores. */
  r: number[][];
  /** Number of texts by dominant factor. */
  overlap: number[][];
  /** Adjusted Rand index of the dominant factors. */
  ari: number;
  /** One to one, strongest first. */
  matches: Match[];
  /** At most 200. */
  moved: MovedText[];
  n_moved: number;
}

/** A text of report.html, which has its neighbours by row. */
export interface InlinedText extends ExplainedText {
  /** Row and cosine, among the texts of the page. */
  near: [number, number][];
}

/** The data of report.html, in its element #goalspace-data; bytes are base64, little endian. */
export interface Inlined {
  summary: Summary;
  /** The bytes of GET /api/map. */
  map: string;
  /** int16[n_factors][n_shown]: standardised scores × 1,000, clipped to ±32,000. */
  scores: string;
  /** The bytes of GET /api/columns/{position}, but numbers as float64. */
  columns: string[];
  layer: Layer;
  /** In the order of the map. */
  texts: InlinedText[];
  /** The keys of `ExplainedText.metadata` in order, each with the column's full name. */
  metadata: [string, string][];
  /** One per column, over all texts; the page computes pairs itself. */
  comparisons: Comparison[];
  /** One per time column. */
  over_time: OverTime[];
  /** One per run of `Summary.runs`. */
  agreements: Agreement[];
}

// What the page sends to the explorer's server, and the answers that only a server gives.
//
// Every request carries the token of the page's address in the header X-Goalspace-Token (downloads: ?token=).
//
// GET  /api/summary → Summary; with ?seen=LINES → Changed since the log of edits had that many lines
// GET  /api/map → bytes: float32 x[n_shown], float32 y[n_shown], int16 dominant[n_shown] (-1: none), int32 row[n_shown]
// GET  /api/scores/{factor} → bytes: float32[n_shown]
// GET  /api/columns/{position} → bytes: codes as int16[n_shown], or numbers as float32[n_shown] (NaN: missing)
// GET  /api/properties → Layer
// GET  /api/factors/{factor} → Factor with all properties
// POST /api/texts Query → Hits
// GET  /api/texts/{row} → Why
// GET  /api/compare?column=POSITION[&a=GROUP&b=GROUP] → Comparison
// GET  /api/over-time?column=POSITION → OverTime
// GET  /api/runs/{name} → Agreement
// POST /api/edits Edit & Seen → Changed
// POST /api/undo Seen → Changed
// POST /api/redo Seen → Changed
// GET  /api/export/{ExportedTable}.{ExportedFormat} → a file
// POST /api/export/{ExportedTable}.{ExportedFormat} Query → a file with the matching texts
// GET  /api/export/report.html → a page that needs no server
//
// Bytes are little endian. A failed request is answered with 400, 403, 404, 409, 413 or 500 and an ErrorMessage.

/** A filter by the standardised score on a factor. */
export interface ScoreRange {
  factor: number;
  low: number | null;
  high: number | null;
}

/** A filter by a column: codes (-1: missing), or a range of numbers. */
export interface ColumnFilter {
  column: number;
  values?: number[];
  low?: number | null;
  high?: number | null;
}

/** The order of the texts; missing values come last. */
export interface Sort {
  /** Ids that are all integers are ordered as numbers. */
  by: "id" | "length" | "factor" | "column";
  /** The factor or the position of the column. */
  at?: number;
  down: boolean;
}

/** Filters, order and page of a list of texts. */
export interface Query {
  search?: string;
  /** Words must all occur, ignoring case and accents; words in quotes must occur together. */
  by?: "words" | "meaning";
  /** Only these, such as those inside an outline on the map. */
  rows?: number[];
  factors?: ScoreRange[];
  /** -1 for texts without a dominant factor. */
  dominant?: number[];
  columns?: ColumnFilter[];
  /** By default the order of the corpus or, in a search by meaning, the most similar texts first. */
  sort?: Sort;
  offset?: number;
  /** At most 200. */
  limit?: number;
}

/** `EditHistory.lines` of the factors that the page shows; if the server has others by now, it refuses (409). */
export interface Seen {
  seen?: number;
}

export type ExportedTable = "texts" | "factors" | "properties" | "evidence";

export type ExportedFormat = "csv" | "parquet" | "json";

/** A matching text. */
export interface Hit {
  row: number;
  id: string;
  /** Cut to 300 characters around the first match. */
  text: string;
  /** Start and end of the matches in `text`. */
  marks: [number, number][];
  dominant: number;
  /** The score on the dominant factor. */
  score: number | null;
  /** The score on the factor that the query sorts by or, failing that, first filters by. */
  sought: number | null;
  /** Similarity to the query in a search by meaning. */
  relevance: number | null;
  /** By column. */
  values: (string | null)[];
}

/** One page of the matching texts. */
export interface Hits {
  total: number;
  hits: Hit[];
  /** All matching rows in order, at most 100,000, for the map; empty if the offset is not 0. */
  rows: number[];
}

/** The summary after an edit. */
export interface Changed extends Summary {
  /** What each factor of the seen state became: none if it is gone, several if it was split. */
  moved: number[][];
}

/** Why a request failed, in one line. */
export interface ErrorMessage {
  error: string;
}
