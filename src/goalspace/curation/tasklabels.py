"""Task labels: the verb and the noun that say what an instruction asks for, their distribution and taxonomy.

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
    0.74  # cosine of MiniLM at which nouns name one thing: issue and problem, not advantage and disadvantage
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
        The parts of every text's own label, before merging.
    """

    labels: tuple[str, ...]
    verbs: tuple[str, ...]
    nouns: tuple[str, ...]
    kinds: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def counts(self) -> Mapping[str, int]:
        """The number of texts of every label, the most frequent first."""
        counts = Counter(self.labels)
        return {label: counts[label] for label in sorted(counts, key=lambda label: (-counts[label], label))}

    @property
    def coverage(self) -> float:
        """The share of texts whose label is not "other"."""
        return 1 - self.counts.get(OTHER, 0) / len(self) if len(self) else 0.0

    def distribution(self) -> list[tuple[str, int, float]]:
        """Every label with its number and share of texts, the most frequent first."""
        return [(label, count, count / len(self)) for label, count in self.counts.items()]


def label_tasks(
    texts: Sequence[str],
    *,
    merge: bool = True,
    encoder: str | Encoder | None = "minilm",
    progress: Progress | None = None,
) -> TaskLabels:
    """Label instructions by the task that they ask for, as the Instruction Embedding Benchmark does.

    A command gets the lemma of its first imperative and of the head of its direct object ("write|poem"); a question
    of fact its question word ("why|knowledge", "yes-no|knowledge", "how|math"); a question for what to do its verb and
    object; a bare noun phrase "noun|knowledge"; everything else, text that is not English included, "other".
    Polite forms, roles ("You are a pirate.") and given texts are read past. Every text gets a label.

    Parameters
    ----------
    texts
        Instructions; any strings.
    merge
        Whether to give one label to tasks that differ in the wording only: verbs of one group ("compose", "write")
        with the same noun, and nouns of one group of verbs that are almost alike ("color", "colour").
    encoder
        Says which nouns are alike; None merges by verbs alone.
    progress
        Called with what is done, the texts done, and all.

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
    """Name clusters of instructions by the task that is most characteristic of each.

    Parameters
    ----------
    texts
        Instructions.
    groups
        (n_texts,) the cluster of every text, from 0; negative for none.

    Returns
    -------
    One label per cluster, from cluster 0 to the largest: the one with the greatest n · log(share in the cluster /
    share in all), so far as no larger cluster has it; "other" for a cluster in which no text has a task.

    Raises
    ------
    InputError
        If there is not one group per text.
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
    # one more in each place, so that a cluster of everything still prefers what is frequent
    return count * math.log(1 + (count / size) / (overall / total))


def taxonomy(labels: Sequence[str], *, encoder: str | Encoder = "minilm") -> dict[str, dict[str, int]]:
    """Sort tasks into groups: group → task → number of texts, both the largest first.

    The group follows from the noun for code and sums, else from the verb; a verb that no group lists goes where the
    verb lies whose vector is most like its own.

    Parameters
    ----------
    labels
        One label per text, as in `TaskLabels.labels`.
    encoder
        Says which verbs are alike.
    """
    counts = Counter(labels)
    known = {
        verb: group for group, lines in reversed(FAMILIES.items()) for line in lines for verb in line.split()
    }
    verbs = {label.partition("|")[0] for label in counts}
    unknown = sorted(verbs - set(known) - {OTHER})
    if unknown:
        found = get_encoder(encoder)
        listed = list(known)
        alike = (
            encode_in_chunks(found, [f"to {verb}" for verb in unknown])
            @ encode_in_chunks(found, [f"to {verb}" for verb in listed]).T
        )
        known |= {verb: known[listed[int(row.argmax())]] for verb, row in zip(unknown, alike, strict=True)}
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
