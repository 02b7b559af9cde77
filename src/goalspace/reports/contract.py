"""The JSON objects about a whole run that the explorer's page and report.html read.

`web/src/contract.ts` is generated from this module, `contract_details`, and `contract` of `edits` and `explorer`.

A row is the position of a text in the corpus, from 0. A factor is its position in `Summary.factors`. A code is a
position in `Column.values`; -1 stands for a missing value. Offsets in texts count UTF-16 code units. Names that are part
of a sentence are isolated (U+2068 … U+2069), because they may be in a script with another direction.
"""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict  # as in edits.contract

from goalspace.edits.contract import EditHistory, EditLimits

# ---------------------------------------------------------------- factors


class Property(TypedDict):
    """A property of a factor."""

    name: str
    weight: float
    """Correlation with the factor, signed."""
    n_texts: int


class Sentence(TypedDict):
    """One piece of evidence for a factor: a sentence and the text around it."""

    id: str
    row: int
    score: float
    pole: Literal[1, -1]
    before: str
    """Starts with "…" where the text was cut."""
    sentence: str
    after: str
    """Ends with "…" where the text was cut."""
    n_same: int
    """Number of other texts with the same sentence."""
    n_copies: int
    """Number of rows of the input with this text."""


class RelatedFactor(TypedDict):
    """Another factor, with the correlation of the scores; a negative one means opposite."""

    factor: int
    r: float


class Factor(TypedDict):
    """GET /api/factors/{factor}; also part of the summary, with fewer properties."""

    index: int
    name: str
    description: str
    poles: list[str]
    """One or two."""
    tc: float
    """Total correlation in nats; of tasks, the mean cosine of their instructions with their centroid."""
    share: float
    """Share of the texts whose dominant factor this is."""
    n_texts: int
    """Number of the texts whose dominant factor this is."""
    n_properties: int
    trend: list[float | None] | None
    """Share per period of `Summary.trend`; null for a period without texts."""
    hidden: bool
    properties: list[Property]
    """Strongest first; at most 24 in the summary."""
    evidence: list[Sentence]
    related: list[RelatedFactor]
    """Strongest |r| first, at most 5."""
    x: float
    """Position of the label in the unit square."""
    y: float


class Tree(TypedDict):
    """A group of factors and groups; a number is a factor."""

    name: str
    children: list[Tree | int]


class Layer(TypedDict):
    """GET /api/properties: the properties as a second layer of the map, one list per attribute."""

    names: list[str]
    factor: list[int]
    """-1 for a property without a factor."""
    n_texts: list[int]
    x: list[float]
    y: list[float]


# ---------------------------------------------------------------- the run

ColumnKind = Literal["category", "number", "time"]


class Column(TypedDict):
    """A metadata column by which texts can be coloured, filtered and compared."""

    name: str
    kind: ColumnKind
    values: list[str]
    """What the codes mean, in reading order; empty for numbers."""
    rest: int | None
    """The code shared by all values that are too rare for their own."""
    low: float | None
    """The smallest number; null unless the column has numbers."""
    high: float | None


class LeftOutColumn(TypedDict):
    """A metadata column that is not offered for comparison, and the reason."""

    name: str
    why: str


class Trend(TypedDict):
    """The time column behind `Factor.trend`."""

    column: str
    periods: list[str]


class Run(TypedDict):
    """Another run over mostly the same texts."""

    name: str
    goal: str
    n_factors: int
    created: str


class QualityMeasure(TypedDict):
    """A held-out measure of the links, formatted, and a sentence that explains it."""

    name: str
    value: str
    meaning: str


class Stage(TypedDict):
    """A stage of the run."""

    name: str
    facts: str
    seconds: float


class Citation(TypedDict):
    """A publication to cite; the URL may be empty."""

    what: str
    text: str
    url: str


class Capabilities(TypedDict):
    """What the source of the data can do."""

    edit: bool
    """Change the factors."""
    meaning: bool
    """Search by meaning, which needs the encoder."""
    fullTexts: bool
    """Return whole texts; otherwise they are cut to `Summary.cut` characters."""
    compareRuns: bool


# ---------------------------------------------------------------- the summary


class Summary(TypedDict):
    """GET /api/summary."""

    format: Literal[1]
    kind: Literal["texts", "instructions"]
    """Of instructions, factors are tasks and properties are their wordings; they cannot be edited."""
    goal: str
    run: str
    created: str
    version: str
    citations: list[Citation]
    headline: str
    able: Capabilities
    n_texts: int
    n_rows: int
    n_shown: int
    """Texts on the map; fewer than n_texts if report.html holds a sample."""
    cut: int
    """Characters per text where texts are cut."""
    factors: list[Factor]
    hierarchy: list[Tree]
    """Empty if there is none; factors that belong to no group are left out."""
    columns: list[Column]
    left_out: list[LeftOutColumn]
    trend: Trend | None
    runs: list[Run]
    quality: list[QualityMeasure]
    stages: list[Stage]
    findings: list[str]
    """Sentences."""
    edits: EditHistory
    limits: EditLimits
