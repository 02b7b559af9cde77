"""The record of an update: what it changed, and the stages of the new run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from goalspace.corpus import Corpus
from goalspace.factors import Factors
from goalspace.files import digest
from goalspace.increments.corpus import Join
from goalspace.increments.placement import Placement, place
from goalspace.increments.shares import compare_shares
from goalspace.language import detection
from goalspace.proposals import Proposals
from goalspace.run.folder import Run
from goalspace.run.record import STAGES


def describe_changes(
    run: Run, joined: Join, factors: Factors, proposals: Proposals, known: Placement, further: Placement
) -> dict[str, Any]:
    """Return what the update changed, as values that JSON can hold."""
    before, after = (place(factors, placed.vectors, placed.is_relevant) for placed in (known, further))
    languages = detection.languages_of(run.links.encoder_name)
    counts = np.bincount(factors.dominant[factors.dominant >= 0], minlength=factors.dim)
    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "n_known": len(run.corpus),
        "n_new": joined.n_new,
        "n_repeated": joined.n_repeated,
        "n_same": joined.n_same,
        "n_unexplained": int(further.unexplained(known.limit).sum()),
        "n_unexplained_after": int(after.unexplained(known.limit).sum()),
        "kept": float((run.factors.dominant == factors.dominant[: len(run.corpus)]).mean()),
        "shares": [
            {"factor": c.factor, "n_before": c.before.count, "n_after": c.after.count}
            for c in compare_shares(before.dominant, after.dominant, factors.shown)
        ],
        "factors": [
            {"factor": k, "name": factors.names[k], "n_texts": int(counts[k])}
            for k in range(run.factors.dim, factors.dim)
        ],
        "without_texts": [k for k in factors.shown if not counts[k]],
        "properties": list(proposals.properties[len(run.proposals) :]),
        "share_foreign": detection.share_foreign(joined.corpus.texts[len(run.corpus) :], languages)
        if languages
        else None,
    }


def describe_stages(
    run: Run,
    mark: str,
    times: Sequence[float],
    corpus: Corpus,
    proposals: Proposals,
    fitted: Factors,
    share_foreign: float | None,
) -> dict[str, Any]:
    """Return the record of the stages, with the run's arguments, with which they can be done again on all texts."""
    before, n_known = run.record["stages"], len(run.corpus)
    of_links = dict(before["link"]["result"])
    if share_foreign is not None:
        own = of_links.get("share_foreign", 0.0)
        of_links["share_foreign"] = (own * n_known + share_foreign * (len(corpus) - n_known)) / len(corpus)
    results = {
        "corpus": {**corpus.stats, "n_added": len(corpus) - n_known},
        "propose": dict(proposals.stats),
        "link": of_links,
        "factor": dict(fitted.stats),
    }
    stages: dict[str, Any] = {}
    after = None
    for stage, start, end in zip(STAGES, times[:-1], times[1:], strict=True):
        own = digest(corpus.digest, corpus.counts) if after is None else digest(stage, mark, after)
        stages[stage] = {
            "arguments": before[stage]["arguments"],
            "digest": own,
            "after": after,
            "seconds": round(end - start, 2),
            "result": results[stage],
        }
        after = own
    return stages
