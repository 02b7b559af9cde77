"""Two runs over the same texts: which factors agree, and which texts move."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from goalspace.errors import GoalspaceError
from goalspace.reports import contract
from goalspace.reports.contract_details import Agreement
from goalspace.reports.view import View, correlate
from goalspace.run.folder import Run
from goalspace.run.protocol import RunLike
from goalspace.run.record import STAGES
from goalspace.text import to_line

if TYPE_CHECKING:
    from goalspace.corpus import Corpus


MAX_MOVED = 200
_MIN_COMMON = 0.5  # share of the smaller run's texts that must be common
_MIN_CORRELATION = 0.3  # of the scores, for two factors to match
_MAX_RUNS = 50  # folders to inspect


def siblings(run: RunLike) -> dict[str, Run]:
    """Return the finished runs in sibling folders over mostly the same texts, by folder name."""
    runs: dict[str, Run] = {}
    if "corpus" not in run.record["stages"]:  # labelled instructions cannot be compared with runs
        return runs
    folder = run.path.resolve()
    beside = [path for path in sorted(folder.parent.iterdir()) if (path / "run.json").is_file()]
    for path in beside[:_MAX_RUNS]:
        if path == folder or path.is_symlink():
            continue
        try:
            other = Run.open(path)
            finished = set(STAGES) <= set(other.record["stages"]) and not other.stale()
        except (GoalspaceError, KeyError, TypeError, OSError):
            continue  # a broken sibling must not prevent this run from opening
        if finished and _may_share(run, other):
            runs[path.name] = other
    return runs


def _may_share(run: RunLike, other: Run) -> bool:
    """Whether most texts are common; equal digests avoid reading the other corpus."""
    mine, theirs = (r.record["stages"]["corpus"] for r in (run, other))
    if mine["digest"] == theirs["digest"]:
        return True
    sizes = [int(stage["result"].get("n_texts", 0)) for stage in (mine, theirs)]
    if min(sizes) < _MIN_COMMON * max(sizes):
        return False
    try:
        return len(_common(run.corpus, other.corpus)[0]) >= _MIN_COMMON * min(sizes)
    except (GoalspaceError, OSError):
        return False


def _common(mine: Corpus, theirs: Corpus) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of the common texts in both corpora, in the order of the first."""
    index_of = {text: row for row, text in enumerate(theirs.texts)}
    pairs = [(row, index_of[text]) for row, text in enumerate(mine.texts) if text in index_of]
    rows = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return rows[:, 0], rows[:, 1]


def about(run: Run) -> contract.Run:
    """Describe a run for the list of runs on the pages."""
    n_factors = run.record["stages"]["factor"]["result"].get("n_factors", 0)
    return {
        "name": to_line(run.path.name, 80),
        "goal": to_line(run.goal, 400),
        "n_factors": int(n_factors),
        "created": str(run.record.get("created", "")),
    }


def agreement(view: View, other: Run) -> Agreement:
    """Compare the factors of two runs over their common texts.

    Visible factors are matched one to one so as to maximise the sum of correlations (Hungarian method); matches with
    r < 0.3 are dropped. A text has moved if its dominant factor in the other run does not match the one in this run.
    The adjusted Rand index compares the dominant factors.
    """
    from scipy.optimize import linear_sum_assignment
    from sklearn.metrics import adjusted_rand_score

    mine, theirs = view.factors, other.factors
    rows, others = _common(view.run.corpus, other.corpus)
    r = correlate(mine.scores[rows], theirs.scores[others])
    dominant, elsewhere = mine.dominant[rows], theirs.dominant[others]
    overlap = _overlap(dominant, elsewhere, mine.dim, theirs.dim)
    pairs = linear_sum_assignment(-r[np.ix_(mine.shown, theirs.shown)])
    matched = {
        mine.shown[i]: theirs.shown[j]
        for i, j in zip(*pairs, strict=True)
        if r[mine.shown[i], theirs.shown[j]] >= _MIN_CORRELATION
    }
    moved = _moved(dominant, elsewhere, matched)
    shares = np.bincount(theirs.dominant[theirs.dominant >= 0], minlength=theirs.dim) / len(theirs.dominant)
    both = (dominant >= 0) & (elsewhere >= 0)
    order = sorted(matched, key=lambda k: -r[k, matched[k]])
    return {
        "run": about(other),
        "n_common": len(rows),
        "factors": [
            {"name": to_line(name, 160), "share": float(shares[k])} for k, name in enumerate(theirs.names)
        ],
        "r": np.round(r, 3).tolist(),
        "overlap": overlap.tolist(),
        "ari": float(adjusted_rand_score(dominant[both], elsewhere[both])) if both.any() else 0.0,
        "matches": [
            {"factor": k, "other": matched[k], "r": round(float(r[k, matched[k]]), 3)} for k in order
        ],
        "moved": [
            {
                "row": int(rows[i]),
                "id": to_line(str(view.run.corpus.ids[rows[i]]), 60),
                "text": to_line(view.run.corpus.texts[rows[i]], 160),
                "from": int(dominant[i]),
                "to": int(elsewhere[i]),
            }
            for i in moved[:MAX_MOVED]
        ],
        "n_moved": len(moved),
    }


def _overlap(dominant: np.ndarray, elsewhere: np.ndarray, n_mine: int, n_theirs: int) -> np.ndarray:
    both = (dominant >= 0) & (elsewhere >= 0)
    flat = dominant[both].astype(np.int64) * n_theirs + elsewhere[both]
    return np.bincount(flat, minlength=n_mine * n_theirs).reshape(n_mine, n_theirs)


def _moved(dominant: np.ndarray, elsewhere: np.ndarray, matched: Mapping[int, int]) -> np.ndarray:
    """Return the texts whose dominant factor has a match, but not the one that dominates in the other run."""
    expected = np.array([matched.get(k, -2) for k in range(int(dominant.max(initial=-1)) + 1)] + [-2])
    own = expected[dominant]
    return np.flatnonzero((own >= 0) & (elsewhere >= 0) & (own != elsewhere))
