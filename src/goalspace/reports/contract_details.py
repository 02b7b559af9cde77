"""The JSON objects about one text, groups of texts, periods and two runs, and the data of report.html."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict  # as in edits.contract

from goalspace.reports.contract import Layer, Run, Summary

# ---------------------------------------------------------------- one text


class Reason(TypedDict):
    """A factor or property of a text and the sentence that supports it; start = end if none does."""

    factor: int
    """-1 for a property without a factor."""
    name: str
    weight: float
    """The standardised score on the factor, or the strength of the link to the property."""
    proposed: bool
    start: int
    end: int


class SelectionValue(TypedDict):
    """What a selection or a retrieval recorded about an instruction."""

    name: str
    value: str


class Neighbour(TypedDict):
    """A text near another in the space of the factors; r is the cosine."""

    row: int
    id: str
    text: str
    r: float


class ExplainedText(TypedDict):
    """A text and the reasons for its scores."""

    row: int
    id: str
    text: str
    cut: bool
    n_copies: int
    duplicates: list[str]
    """Ids of the copies, at most 50."""
    values: list[str | None]
    """By column."""
    metadata: dict[str, str]
    """All metadata columns, including those that cannot be compared by; missing values are left out."""
    analysis: str | None
    """What the language model noted."""
    dominant: int
    factors: list[Reason]
    """Strongest |score| first."""
    properties: list[Reason]
    """At most 15; in report.html, 8."""
    selected: list[SelectionValue]


class Why(ExplainedText):
    """GET /api/texts/{row}."""

    near: list[Neighbour]
    """At most 5, nearest first."""


# ---------------------------------------------------------------- comparisons


class Group(TypedDict):
    """A group of texts with equal values in a column, or with numbers in a range."""

    name: str
    n: int
    range: tuple[float, float] | None
    """The smallest and the largest number of the group."""


class FactorTest(TypedDict):
    """Whether a factor differs between groups; q is p corrected over the tested factors (Benjamini–Hochberg)."""

    factor: int
    effect: float
    measure: str
    p: float
    q: float
    sentence: str


class PairTest(TypedDict):
    """Cohen's d between two groups with its 95% interval."""

    factor: int
    effect: float
    p: float
    q: float
    low: float
    high: float


class PairComparison(TypedDict):
    """Two groups compared."""

    a: int
    b: int
    tests: list[PairTest]


class Comparison(TypedDict):
    """GET /api/compare?column=POSITION[&a=GROUP&b=GROUP]: the factors by the groups of a column."""

    column: int
    groups: list[Group]
    shares: list[list[float | None]]
    """Factor × group: share of the group's texts with that dominant factor; null for a group without texts."""
    means: list[list[float | None]]
    """Factor × group: mean standardised score; null for a group without texts."""
    tests: list[FactorTest]
    """One per visible factor: over all groups of two texts or more, or a against b."""
    pair: PairComparison | None


# ---------------------------------------------------------------- over time


Course = Literal["rises", "falls", "varies", "steady"]
"""What the share of a factor does; steady: no significant change."""


class Period(TypedDict):
    """A period of a time column, and the number of its texts."""

    code: int
    name: str
    n: int


class PeriodShare(TypedDict):
    """The share of a period's texts with a dominant factor, its 95% interval (Wilson), and the number of these texts."""

    share: float
    low: float
    high: float
    n: int


class FactorOverTime(TypedDict):
    """The share of a factor over the periods, and whether it changes."""

    factor: int
    shares: list[PeriodShare | None]
    """Null for a period without texts."""
    course: Course
    ends: tuple[float, float]
    """The shares in the first and the last period, by a logistic trend."""
    q: float
    """The smaller p of the tests of trend and of departure from it, corrected over the visible factors (Benjamini–Hochberg)."""
    sentence: str


class OverTime(TypedDict):
    """GET /api/over-time?column=POSITION: the factors over the periods of a time column."""

    column: int
    unit: str
    periods: list[Period]
    n_outside: int
    """Texts from before the first and after the last period."""
    n_missing: int
    """Texts without a date."""
    factors: list[FactorOverTime]
    """The visible ones, the surest change first."""


# ---------------------------------------------------------------- two runs


class OtherFactor(TypedDict):
    """A factor of the other run."""

    name: str
    share: float


class Match(TypedDict):
    """A factor, the matching one of the other run, and the correlation of the scores."""

    factor: int
    other: int
    r: float


MovedText = TypedDict("MovedText", {"row": int, "id": str, "text": str, "from": int, "to": int})
"""A text whose dominant factor in the other run does not match its own."""


class Agreement(TypedDict):
    """GET /api/runs/{name}: the factors of two runs over their common texts."""

    run: Run
    n_common: int
    factors: list[OtherFactor]
    r: list[list[float]]
    """This run's factors × the other's: correlation of the scores."""
    overlap: list[list[int]]
    """Number of texts by dominant factor."""
    ari: float
    """Adjusted Rand index of the dominant factors."""
    matches: list[Match]
    """One to one, strongest first."""
    moved: list[MovedText]
    """At most 200."""
    n_moved: int


# ---------------------------------------------------------------- report.html


class InlinedText(ExplainedText):
    """A text of report.html, which has its neighbours by row."""

    near: list[tuple[int, float]]
    """Row and cosine, among the texts of the page."""


class Inlined(TypedDict):
    """The data of report.html, in its element #goalspace-data; bytes are base64, little endian."""

    summary: Summary
    map: str
    """The bytes of GET /api/map."""
    scores: str
    """int16[n_factors][n_shown]: standardised scores × 1,000, clipped to ±32,000."""
    columns: list[str]
    """The bytes of GET /api/columns/{position}, but numbers as float64."""
    layer: Layer
    texts: list[InlinedText]
    """In the order of the map."""
    metadata: list[tuple[str, str]]
    """The keys of `ExplainedText.metadata` in order, each with the column's full name."""
    comparisons: list[Comparison]
    """One per column, over all texts; the page computes pairs itself."""
    over_time: list[OverTime]
    """One per time column."""
    agreements: list[Agreement]
    """One per run of `Summary.runs`."""
