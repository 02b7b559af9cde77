"""What the page sends to the explorer's server, and the answers that only a server gives.

Every request carries the token of the page's address in the header X-Goalspace-Token (downloads: ?token=).

GET  /api/summary → Summary; with ?seen=LINES → Changed since the log of edits had that many lines
GET  /api/map → bytes: float32 x[n_shown], float32 y[n_shown], int16 dominant[n_shown] (-1: none), int32 row[n_shown]
GET  /api/scores/{factor} → bytes: float32[n_shown]
GET  /api/columns/{position} → bytes: codes as int16[n_shown], or numbers as float32[n_shown] (NaN: missing)
GET  /api/properties → Layer
GET  /api/factors/{factor} → Factor with all properties
POST /api/texts Query → Hits
GET  /api/texts/{row} → Why
GET  /api/compare?column=POSITION[&a=GROUP&b=GROUP] → Comparison
GET  /api/over-time?column=POSITION → OverTime
GET  /api/runs/{name} → Agreement
POST /api/edits Edit & Seen → Changed
POST /api/undo Seen → Changed
POST /api/redo Seen → Changed
GET  /api/export/{ExportedTable}.{ExportedFormat} → a file
POST /api/export/{ExportedTable}.{ExportedFormat} Query → a file with the matching texts
GET  /api/export/report.html → a page that needs no server

Bytes are little endian. A failed request is answered with 400, 403, 404, 409, 413 or 500 and an ErrorMessage.
"""

from __future__ import annotations

from typing import Literal, NotRequired

from typing_extensions import TypedDict  # as in edits.contract

from goalspace.reports.contract import Summary

# ---------------------------------------------------------------- requests


class ScoreRange(TypedDict):
    """A filter by the standardised score on a factor."""

    factor: int
    low: float | None
    high: float | None


class ColumnFilter(TypedDict):
    """A filter by a column: codes (-1: missing), or a range of numbers."""

    column: int
    values: NotRequired[list[int]]
    low: NotRequired[float | None]
    high: NotRequired[float | None]


class Sort(TypedDict):
    """The order of the texts; missing values come last."""

    by: Literal["id", "length", "factor", "column"]
    """Ids that are all integers are ordered as numbers."""
    at: NotRequired[int]
    """The factor or the position of the column."""
    down: bool


class Query(TypedDict, total=False):
    """Filters, order and page of a list of texts."""

    search: str
    by: Literal["words", "meaning"]
    """Words must all occur, ignoring case and accents; words in quotes must occur together."""
    rows: list[int]
    """Only these, such as those inside an outline on the map."""
    factors: list[ScoreRange]
    dominant: list[int]
    """-1 for texts without a dominant factor."""
    columns: list[ColumnFilter]
    sort: Sort
    """By default the order of the corpus or, in a search by meaning, the most similar texts first."""
    offset: int
    limit: int
    """At most 200."""


class Seen(TypedDict, total=False):
    """`EditHistory.lines` of the factors that the page shows; if the server has others by now, it refuses (409)."""

    seen: int


ExportedTable = Literal["texts", "factors", "properties", "evidence"]
ExportedFormat = Literal["csv", "parquet", "json"]

# ---------------------------------------------------------------- answers


class Hit(TypedDict):
    """A matching text."""

    row: int
    id: str
    text: str
    """Cut to 300 characters around the first match."""
    marks: list[tuple[int, int]]
    """Start and end of the matches in `text`."""
    dominant: int
    score: float | None
    """The score on the dominant factor."""
    sought: float | None
    """The score on the factor that the query sorts by or, failing that, first filters by."""
    relevance: float | None
    """Similarity to the query in a search by meaning."""
    values: list[str | None]
    """By column."""


class Hits(TypedDict):
    """One page of the matching texts."""

    total: int
    hits: list[Hit]
    rows: list[int]
    """All matching rows in order, at most 100,000, for the map; empty if the offset is not 0."""


class Changed(Summary):
    """The summary after an edit."""

    moved: list[list[int]]
    """What each factor of the seen state became: none if it is gone, several if it was split."""


class ErrorMessage(TypedDict):
    """Why a request failed, in one line."""

    error: str
