"""score(): further texts on the factors of a finished run, and how they compare with its own texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from goalspace.corpus.rows import Rows, known_columns
from goalspace.encoders.cache import cached
from goalspace.encoders.goal import GoalEncoder
from goalspace.encoders.passages import PassageEncoder
from goalspace.encoders.registry import get_encoder
from goalspace.errors import InputError
from goalspace.factors import Factors
from goalspace.increments.placement import Placement, place, place_known
from goalspace.increments.shares import Share, ShareChange, compare_shares, measure_share
from goalspace.language import detection
from goalspace.llm.address import is_endpoint
from goalspace.llm.limits import Limits
from goalspace.progress import Progress
from goalspace.proposals import OFFLINE
from goalspace.proposals.offline import KnownTexts, find_irrelevant
from goalspace.proposals.plan import CallPlan, plan_vectors
from goalspace.run.folder import Run
from goalspace.tables.writing import free_names, write_csv, write_parquet


@dataclass(frozen=True, eq=False)
class ScoredTexts:
    """Further texts on the factors of a run, edits included.

    Attributes
    ----------
    rows
        The rows that were read, with their distinct texts.
    names
        The names of the factors (n_factors,).
    scores
        (n_texts, n_factors) float32, standardised as those of the run.
    dominant
        (n_texts,) int32, the factor that describes each text best, -1 where none does.
    changes
        The share of each shown factor, and of no factor, among the run's texts and these.
    unexplained
        The share of these texts that no factor explains: those relevant to the goal that have no factor, or are less like
        it than 95 % of the run's texts are.
    share_foreign
        The share of these texts that do not look like a language of the encoder; None if it knows all.
    """

    rows: Rows
    names: tuple[str, ...]
    scores: np.ndarray
    dominant: np.ndarray
    changes: tuple[ShareChange, ...]
    unexplained: Share
    share_foreign: float | None

    def as_columns(self) -> dict[str, Any]:
        """Return a table with a row for every row that was read, in order: id, number and name of the factor, scores.

        Numbers start at 1, as in reports; number and name are missing where no factor describes the text.
        """
        owners = self.rows.owners
        own = self.dominant[owners].tolist()
        columns: dict[str, Any] = {
            "id": list(self.rows.ids),
            "number": [k + 1 if k >= 0 else None for k in own],
            "dominant": [self.names[k] if k >= 0 else None for k in own],
        }
        for k, name in enumerate(self.names):
            columns[free_names(f"score: {name}", columns)] = self.scores[owners, k]
        return columns

    def write(self, path: Path) -> None:
        """Write the table as CSV or Parquet, by the extension of the path, atomically.

        Raises
        ------
        InputError
            If it has another extension, or cannot be written.
        """
        check_table_path(path)
        (write_csv if path.suffix == ".csv" else write_parquet)(path, self.as_columns())


def check_table_path(path: Path) -> None:
    """Raise an `InputError` if the extension is neither .csv nor .parquet."""
    if path.suffix not in (".csv", ".parquet"):
        raise InputError(f"{path}: the name must end in .csv or .parquet.")


def score(
    run: Run,
    source: Any,
    *,
    text: str | None = None,
    id: str | None = None,
    limits: Limits | None = None,
    announce: Callable[[Sequence[CallPlan]], None] | None = None,
    progress: Progress | None = None,
) -> ScoredTexts:
    """Score further texts on the factors of a run, without a language model; nothing of the run changes.

    Parameters
    ----------
    run
        A finished run. If its encoder is an endpoint, name it again in `Run.open`.
    source
        A file or folder of texts, a data frame, or a list of strings (see `Corpus.read`).
    text, id
        The columns that hold the texts and their ids; by default those of the run, if the source has them.
    limits
        What the calls of an encoder behind an endpoint may cost, and how fast they may go.
    announce
        Called with what an endpoint would be sent, perhaps nothing, before it is.
    progress
        Called with (current step, items done, items in total).

    Raises
    ------
    InputError
        If the run is not finished, or the source cannot be read.
    """
    check_finished(run)
    if progress:
        progress("reading the texts", 0, 1)
    rows = Rows.read(source, **columns_of(run, source, text=text, id=id))
    if announce:
        plan = plan_vectors(rows.texts, encoder=run.links.encoder, limits=limits)
        announce([plan] if plan else [])
    known, further = place_further(run, rows.texts, limits=limits, progress=progress)
    languages = detection.languages_of(run.links.encoder_name)
    return ScoredTexts(
        rows,
        run.factors.names,
        run.factors.score(further.vectors),
        further.dominant,
        compare_shares(known.dominant, further.dominant, run.factors.shown),
        measure_share(int(further.unexplained(known.limit).sum()), len(rows.texts)),
        detection.share_foreign(rows.texts, languages) if languages else None,
    )


def check_finished(run: Run) -> None:
    """Raise an `InputError` if a stage of the run is missing or stale."""
    stale = run.stale()
    if stale:
        again = "goalspace discover again" if stale[0] == "corpus" else f"goalspace {stale[0]} {run.path}"
        raise InputError(f"{run.path}: the stage '{stale[0]}' is missing or out of date. First run {again}.")


def columns_of(run: Run, source: Any, *, text: str | None, id: str | None) -> dict[str, str | None]:
    """Return the columns of texts and ids: those given, or those of the run where the source has them, or None."""
    known = known_columns(source, text=run.corpus.text_column, id=run.corpus.id_column)
    return {"text": text or known.get("text"), "id": id or known.get("id")}


def place_further(
    run: Run,
    texts: Sequence[str],
    *,
    factors: Factors | None = None,
    cache_dir: Path | None = None,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> tuple[Placement, Placement]:
    """Place the texts of a run and further ones among its factors, both as if no proposer had read them.

    Where the encoder `goal` chose the properties itself, it also says which further texts are not relevant to the goal.
    Otherwise nobody does, and the run's own texts count as relevant here, too.

    Parameters
    ----------
    run
        The run.
    texts
        The further texts, distinct and cleaned.
    factors
        The factors; None for those of the run, edits included.
    cache_dir
        Where vectors and what they cost are kept; None for the run's folder, and there only vectors that cost something.
    limits
        What the calls of an encoder behind an endpoint may cost, and how fast they may go.
    progress
        Called with (current step, items done, items in total).
    """
    factors = run.factors if factors is None else factors
    links, report = run.links, partial(progress, "embedding") if progress else None
    if cache_dir is None and isinstance(links.encoder, str) and is_endpoint(links.encoder):
        cache_dir = run.path
    encoder = PassageEncoder(cached(links.encoder, cache_dir, report, limits), links.passages, report=report)
    if progress:
        progress("embedding", 0, len(texts))
    vectors = links.tower.project(texts, encoder)
    of_known, of_further = np.ones(len(links.text_vectors), dtype=bool), np.ones(len(texts), dtype=bool)
    if reads_under_goal(run):
        reader = get_encoder(links.encoder)
        assert isinstance(reader, GoalEncoder)
        of_known[list(factors.not_relevant)] = False
        seen = KnownTexts(links.text_vectors, run.proposals.properties, links.property_vectors)
        of_further = ~find_irrelevant(vectors, reader, seen)
    return place_known(factors, links, run.proposals, of_known), place(factors, vectors, of_further)


def reads_under_goal(run: Run) -> bool:
    """Return whether the encoder `goal` both chose the properties of the run and links texts with them, unchanged."""
    chosen = run.proposals.stats.get("proposer") == OFFLINE and run.links.encoder_name.startswith("goal")
    return chosen and run.links.recipe == "untrained"
