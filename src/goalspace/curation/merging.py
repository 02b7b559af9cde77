"""Merging of labels for the same task: synonymous verbs and nouns with similar vectors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from goalspace.encoders.protocol import Encoder, encode_in_chunks
from goalspace.encoders.registry import get_encoder
from goalspace.language.lexicon import FAMILIES
from goalspace.vectors.geometry import normalize

# verb → the first verb of its line; a verb in several families counts in the first
_LINES = [line.split() for lines in FAMILIES.values() for line in lines]
_GROUP = {verb: line[0] for line in reversed(_LINES) for verb in line}


def merged(labels: Sequence[str], *, encoder: str | Encoder | None, similarity: float) -> dict[str, str]:
    """Map every label to the label of its task.

    Labels with the same noun and verbs of one group are one task. Within a group of verbs, nouns are then merged if
    the cosine of their vectors reaches `similarity`, the rarer into the more frequent; labels without a specific
    noun (knowledge, math) are not. The most frequent label names the task.
    """
    counts = Counter(labels)
    groups: dict[tuple[str, str], Counter[str]] = {}
    for label, count in counts.items():
        verb, _, noun = label.partition("|")
        groups.setdefault((_GROUP.get(verb, verb), noun), Counter())[label] += count
    if encoder is not None:
        groups = _join_nouns(groups, get_encoder(encoder), similarity)
    return {label: _first(group) for group in groups.values() for label in group}


def _join_nouns(
    groups: Mapping[tuple[str, str], Counter[str]], encoder: Encoder, similarity: float
) -> dict[tuple[str, str], Counter[str]]:
    by_verb: dict[str, list[str]] = {}
    for verb, noun in groups:
        if noun and noun not in ("knowledge", "math", "text"):
            by_verb.setdefault(verb, []).append(noun)
    nouns = sorted({noun for some in by_verb.values() if len(some) > 1 for noun in some})
    row_of = {noun: position for position, noun in enumerate(nouns)}
    vectors = normalize(encode_in_chunks(encoder, nouns))
    joined = dict(groups)
    for verb, some in by_verb.items():
        if len(some) < 2:
            continue
        some = sorted(some, key=lambda noun: (-groups[verb, noun].total(), noun))
        rows = vectors[[row_of[noun] for noun in some]]
        kept: list[int] = []
        for position, noun in enumerate(some):
            cosines = rows[kept] @ rows[position] if kept else np.zeros(0)
            if len(cosines) and cosines.max() >= similarity:
                target = (verb, some[kept[int(cosines.argmax())]])
                joined[target] = joined[target] + joined.pop((verb, noun))
            else:
                kept.append(position)
    return joined


def _first(group: Counter[str]) -> str:
    """Return the most frequent label; among equals, the one with the first verb of its group."""
    return min(
        group,
        key=lambda label: (
            -group[label],
            _GROUP.get(label.partition("|")[0]) != label.partition("|")[0],
            label,
        ),
    )
