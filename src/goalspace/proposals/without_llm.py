"""The choice of the offline proposer, by the encoder that compares the texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from goalspace.encoders.cache import cached
from goalspace.encoders.goal import GoalEncoder
from goalspace.encoders.multilingual_goal import MultilingualGoalEncoder
from goalspace.encoders.passages import PassageEncoder, Passages
from goalspace.encoders.protocol import Encoder
from goalspace.encoders.registry import is_multilingual
from goalspace.proposals.answers import Answer
from goalspace.proposals.multilingual import propose_multilingual
from goalspace.proposals.offline import KnownTexts, propose_in_passages

_MAX_PASSAGES = 100_000  # whose vectors take 325 MB; of more, fewer are read per text


def propose_without_llm(
    texts: Sequence[str],
    goal: str,
    encoder: Encoder,
    *,
    passages: Passages,
    known: KnownTexts | None,
    cache_dir: Path | None,
    report: Callable[[int, int], None] | None,
) -> tuple[list[Answer | None], dict[str, int]]:
    """Let the multilingual encoder propose if it compares the texts, else the encoder ``goal``.

    Parameters
    ----------
    texts
        The texts.
    goal
        What matters in them.
    encoder
        The encoder that compares them.
    passages
        How the encoder ``goal`` reads long texts; the multilingual one reads their beginning, twice as much.
    known
        The texts that these ones join, for the encoder ``goal`` (see `propose_offline`).
    cache_dir
        Folder in which vectors are cached.
    report
        Called with the numbers of texts encoded and of all.

    Returns
    -------
    For every text its properties, best first; and how many texts are long, and the passages that they were read in.
    """
    if is_multilingual(encoder.name):
        native = MultilingualGoalEncoder(goal)
        return [*propose_multilingual(texts, cached(native, cache_dir, report).encode(texts), native)], {}
    own = GoalEncoder(goal)
    reader = PassageEncoder(cached(own, cache_dir, report), passages, report=report)
    counts = reader.count(texts)
    if counts.get("n_passages", 0) > _MAX_PASSAGES:
        reader = PassageEncoder(reader.encoder, max(1, _MAX_PASSAGES // len(texts)), report=report)
        counts = reader.count(texts)
    return [*propose_in_passages(texts, reader, own, known=known)], counts
