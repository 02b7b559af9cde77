"""The choice of the offline proposer, by the encoder that compares the texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from goalspace.encoders.cache import cached
from goalspace.encoders.goal import GoalEncoder
from goalspace.encoders.multilingual_goal import MultilingualGoalEncoder
from goalspace.encoders.protocol import Encoder
from goalspace.proposals.answers import Answer
from goalspace.proposals.multilingual import propose_multilingual
from goalspace.proposals.offline import propose_offline


def propose_without_llm(
    texts: Sequence[str],
    goal: str,
    encoder: Encoder,
    *,
    cache_dir: Path | None,
    report: Callable[[int, int], None] | None,
) -> list[Answer]:
    """Let the multilingual encoder propose if it compares the texts, else the encoder ``goal``.

    Parameters
    ----------
    texts
        The texts.
    goal
        What matters in them.
    encoder
        The encoder that compares them.
    cache_dir
        Folder in which vectors are cached.
    report
        Called with the numbers of texts encoded and of all.

    Returns
    -------
    For every text its properties, best first.
    """
    if encoder.name.startswith("multilingual"):
        native = MultilingualGoalEncoder(goal)
        return propose_multilingual(texts, cached(native, cache_dir, report).encode(texts), native)
    reader = GoalEncoder(goal)
    return propose_offline(texts, cached(reader, cache_dir, report).encode(texts), reader)
