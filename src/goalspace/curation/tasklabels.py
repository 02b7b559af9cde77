"""Task labels: the verb and noun of what an instruction asks for, with their distribution and taxonomy.

>>> print(*label_tasks(["Write a poem about rain.", "Why is the sky blue?", "Compose a poem."]).labels)
write|poem why|knowledge write|poem
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from goalspace.curation.merging import merged
from goalspace.encoders.protocol import Encoder, encode_in_chunks
from goalspace.encoders.registry import get_encoder
from goalspace.errors import InputError
from goalspace.language import OTHER, TaskLabel, label_task
from goalspace.language.lexicon import CODE_NOUNS, FAMILIES, MATH_NOUNS
from goalspace.progress import Progress

_SIMILAR = (
    0.74  # MiniLM cosine from which nouns are synonyms: issue and problem, but not advantage and disadvantage
)
_REPORT_EVERY = 256


@dataclass(frozen=True)
class TaskLabels:
    """The task labels of many texts, in their order.

    Attributes
    ----------
    labels
        "verb|noun" or "other" for every text, after merging.
    verbs, nouns, kinds
        The parts of every text's label before merging.
    """

    labels: tuple[str, ...]
    verbs: tuple[str, ...]
    nouns: tuple[str, ...]
    kinds: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def counts(self) -> Mapping[str, int]:
        """Number of texts per label, most frequent first."""
        counts = Counter(self.labels)
        return {label: counts[label] for label in sorted(counts, key=lambda label: (-counts[label], label))}

    @property
    def coverage(self) -> float:
        """Share of texts whose label is not "other"."""
        return 1 - self.counts.get(OTHER, 0) / len(self) if len(self) else 0.0

    def distribution(self) -> list[tuple[str, int, float]]:
        """Return every label with its number and share of texts, most frequent first."""
        return [(label, count, count / len(self)) for label, count in self.counts.items()]


def label_tasks(
    texts: Sequence[str],
    *,
    merge: bool = True,
    encoder: str | Encoder | None = "minilm",
    progress: Progress | None = None,
) -> TaskLabels:
    """Label instructions by their task, as in the Instruction Embedding Benchmark.

    A command is labelled with the lemmas of its first imperative and of the head of its direct object
    ("write|poem"), a question of fact with its question word ("why|knowledge", "yes-no|knowledge", "how|math"), a
    question about what to do with its verb and object, a bare noun phrase with "noun|knowledge", and everything else,
    including text that is not English, with "other". Polite phrases, roles ("You are a pirate.") and input texts are
    skipped. Every text gets a label.

    Parameters
    ----------
    texts
        Instructions; any strings.
    merge
        Whether to merge labels that differ only in wording: verbs of one group ("compose", "write") with the same
        noun, and similar nouns with the same group of verbs ("color", "colour").
    encoder
        Encoder for the similarity of nouns; None merges by verbs only.
    progress
        Called with (description of the step, number done, total).

    Raises
    ------
    InputError
        If `texts` is one string.

    References
    ----------
    Li et al., Instruction Embedding: Latent Representations of Instructions Towards Task Identification,
    arXiv 2409.19680, section 3.
    """
    if isinstance(texts, str):
        raise InputError(
            "The 'texts' parameter of label_tasks must be a sequence of strings. Got str instead."
        )
    own: list[TaskLabel] = []
    seen: dict[str, TaskLabel] = {}
    for number, text in enumerate(texts):
        if text not in seen:
            seen[text] = label_task(text)
        own.append(seen[text])
        if progress is not None and number % _REPORT_EVERY == 0:
            progress("reading instructions", number, len(texts))
    labels = [str(label) for label in own]
    if merge:
        if progress is not None:
            progress("merging labels", 0, 1)
        target = merged(labels, encoder=encoder, similarity=_SIMILAR)
        labels = [target[label] for label in labels]
    return TaskLabels(
        labels=tuple(labels),
        verbs=tuple(label.verb for label in own),
        nouns=tuple(label.noun for label in own),
        kinds=tuple(label.kind for label in own),
    )


# ---------------------------------------------------------------- groups of tasks


def name_clusters(texts: Sequence[str], groups: Sequence[int] | np.ndarray) -> list[str]:
    """Name clusters of instructions by their most characteristic task.

    Parameters
    ----------
    texts
        Instructions.
    groups
        (n_texts,) the cluster of every text, starting at 0; negative for none.

    Returns
    -------
    One label per cluster, in the order of clusters: the label with the largest n · log(1 + share in the cluster /
    share in all) that no larger cluster has; "other" for a cluster without tasks.

    Raises
    ------
    InputError
        If there is not exactly one group per text.
    """
    groups = np.asarray(groups, dtype=np.int64)
    if groups.shape != (len(texts),):
        raise InputError(
            f"The 'groups' parameter of name_clusters must have one number per text, {len(texts)}. Got shape {groups.shape} instead."
        )
    n_groups = int(groups.max(initial=-1)) + 1
    labels = np.array(label_tasks(texts, encoder=None).labels, dtype=object)
    overall = Counter(labels[groups >= 0])
    names = [OTHER] * n_groups
    taken: set[str] = set()
    sizes = np.bincount(groups[groups >= 0], minlength=n_groups)
    for group in sorted(range(n_groups), key=lambda g: (-sizes[g], g)):
        counts = Counter(labels[groups == group])
        ranked = sorted(
            (label for label in counts if label != OTHER),
            key=lambda label: (-_weight(counts[label], sizes[group], overall[label], sizes.sum()), label),
        )
        names[group] = next((label for label in ranked if label not in taken), ranked[0] if ranked else OTHER)
        taken.add(names[group])
    return names


def _weight(count: int, size: int, overall: int, total: int) -> float:
    # 1 + ensures that a cluster of all texts still prefers frequent labels
    return count * math.log(1 + (count / size) / (overall / total))


def taxonomy(labels: Sequence[str], *, encoder: str | Encoder = "minilm") -> dict[str, dict[str, int]]:
    """Sort tasks into groups: group → task → number of texts, both largest first.

    The group follows from the noun for code and mathematics, else from the verb; an unlisted verb joins the group of
    the verb with the most similar vector.

    Parameters
    ----------
    labels
        One label per text, as in `TaskLabels.labels`.
    encoder
        Encoder for the similarity of verbs.
    """
    counts = Counter(labels)
    known = {
        verb: group for group, lines in reversed(FAMILIES.items()) for line in lines for verb in line.split()
    }
    verbs = {label.partition("|")[0] for label in counts}
    unknown = sorted(verbs - set(known) - {OTHER})
    if unknown:
        verb_encoder = get_encoder(encoder)
        listed = list(known)
        cosines = (
            encode_in_chunks(verb_encoder, [f"to {verb}" for verb in unknown])
            @ encode_in_chunks(verb_encoder, [f"to {verb}" for verb in listed]).T
        )
        known |= {verb: known[listed[int(row.argmax())]] for verb, row in zip(unknown, cosines, strict=True)}
    groups: dict[str, dict[str, int]] = {}
    for label in sorted(counts, key=lambda label: (-counts[label], label)):
        groups.setdefault(_group_of(label, known), {})[label] = counts[label]
    return dict(
        sorted(groups.items(), key=lambda item: (item[0] == "Other", -sum(item[1].values()), item[0]))
    )


def _group_of(label: str, known: Mapping[str, str]) -> str:
    if label == OTHER:
        return "Other"
    verb, _, noun = label.partition("|")
    if noun in CODE_NOUNS:
        return "Code"
    return "Compute" if noun in MATH_NOUNS else known[verb]
