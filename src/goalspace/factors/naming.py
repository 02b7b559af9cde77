"""Names, descriptions and poles of factors."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

import numpy as np

from goalspace.corpus import Corpus
from goalspace.encoders.passages import PassageEncoder
from goalspace.factors.evidence import Evidence, collect_evidence
from goalspace.factors.fitting import Structure
from goalspace.factors.typicality import rank_properties
from goalspace.llm.prompts import Template
from goalspace.llm.protocol import LLM
from goalspace.llm.reading import find_json
from goalspace.llm.redaction import passage_for
from goalspace.llm.structured import Calls, ask
from goalspace.progress import Progress
from goalspace.proposals import Proposals
from goalspace.text import to_line

_SECOND_POLE = 0.2  # least share of a factor's squared correlations at its negative end
_SHORT_NAME = 16  # characters below which a name gets a second property
NAME_TOKENS = 160  # most tokens of the reply for a factor
_MAX_NAME, _MAX_DESCRIPTION = 60, 300  # characters
_NAME_SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "description": {"type": "string"}},
    "required": ["name", "description"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class FactorNames:
    """Names, descriptions, poles and evidence of all factors."""

    names: tuple[str, ...]
    descriptions: tuple[str, ...]
    poles: tuple[tuple[str, str | None], ...]
    evidence: tuple[tuple[Evidence, ...], ...]


def name_factors(
    corpus: Corpus,
    proposals: Proposals,
    structure: Structure,
    scores: np.ndarray,
    dominant: np.ndarray,
    typicality: np.ndarray,
    property_vectors: np.ndarray,
    goal: str,
    encoder: PassageEncoder,
    llm: LLM | None,
    calls: Calls,
    progress: Progress,
) -> FactorNames:
    """Name the factors and collect their evidence; with a language model, it writes the names and descriptions."""
    factors = range(len(structure.strength))
    ranked = [typical_properties(structure.assignment, structure.loadings, typicality, k) for k in factors]
    described = [describe_factor(proposals.properties, *ends) for ends in ranked]
    poles = [item.poles for item in described]
    evidence = collect_evidence(
        corpus,
        structure.assignment,
        structure.loadings,
        scores,
        dominant,
        poles,
        property_vectors,
        encoder,
        factors,
    )
    names, descriptions = (
        number_repeats([item.name for item in described]),
        [item.description for item in described],
    )
    if llm is not None:
        names, descriptions = _ask_names(
            llm, goal, corpus, proposals, ranked, evidence, names, descriptions, calls, progress
        )
    return FactorNames(tuple(names), tuple(descriptions), tuple(poles), tuple(evidence))


@dataclass(frozen=True)
class FactorDescription:
    """Name, description and poles of a factor, derived from its properties without a language model."""

    name: str
    description: str
    poles: tuple[str, str | None]


def free_name(name: str, taken: Collection[str]) -> str:
    """Return a name that no other factor has: the name itself, or with a number, such as "late delivery (2)"."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name} ({number})"
    return free


def describe_factor(
    vocabulary: Sequence[str], positive: Sequence[int], negative: Sequence[int]
) -> FactorDescription:
    """Name and describe a factor by its most central properties."""
    along, against = [vocabulary[i] for i in positive], [vocabulary[i] for i in negative]
    poles = (along[0] if along else "", against[0] if against else None)
    return FactorDescription(_offline_name(along), _offline_description(along, against), poles)


def typical_properties(
    assignment: np.ndarray, loadings: np.ndarray, typicality: np.ndarray, k: int
) -> tuple[list[int], list[int]]:
    """Properties of factor k at its positive and its negative end, most typical first.

    The negative end is empty unless several properties there carry a fair share of the squared correlations.
    """
    own = rank_properties(assignment, typicality, k)
    loading = loadings[k, own]
    positive, negative = own[loading > 0].tolist(), own[loading <= 0].tolist()
    if not positive:
        return negative, []
    share = np.square(np.minimum(loading, 0)).sum() / np.square(loading).sum()
    is_pole = len(negative) > 1 and share >= _SECOND_POLE
    return positive, negative if is_pole else []


def _offline_name(properties: Sequence[str]) -> str:
    name = properties[0]
    if len(name) >= _SHORT_NAME:
        return name
    return " · ".join(properties[i] for i in islice(distinct_names(properties), 2))


def distinct_names(names: Sequence[str]) -> Iterator[int]:
    """Yield the positions of names that share no word with those before; "invoice" and "invoices" are one word."""
    seen: set[str] = set()
    for i, name in enumerate(names):
        words = {word[:5] for word in name.split()}
        if not words & seen:
            seen |= words
            yield i


def _offline_description(positive: Sequence[str], negative: Sequence[str]) -> str:
    end = f", as opposed to {_listed(negative[:2])}" if negative else ""
    return f"Texts about {_listed(positive[:4])}{end}."


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def number_repeats(names: Sequence[str]) -> list[str]:
    """Make names unique by numbering repeated ones."""
    seen: dict[str, int] = {}
    numbered = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        numbered.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return numbered


def _ask_names(
    llm: LLM,
    goal: str,
    corpus: Corpus,
    proposals: Proposals,
    ranked: Sequence[tuple[list[int], list[int]]],
    evidence: Sequence[Sequence[Evidence]],
    names: list[str],
    descriptions: list[str],
    calls: Calls,
    progress: Progress,
) -> tuple[list[str], list[str]]:
    """Let the language model write names and descriptions; fall back to the offline ones if no reply can be parsed."""
    rows = {text_id: i for i, text_id in enumerate(corpus.ids)}
    prompts = []
    for (positive, negative), items in zip(ranked, evidence, strict=True):
        along = [e for e in items if e.pole > 0][:5]
        shown = [passage_for(llm, corpus.texts[rows[e.text_id]], e.start, e.end) for e in along]
        opposite = "\n".join(f"- {proposals.properties[i]}" for i in negative[:5])
        prompts.append(
            Template.load("name_factor").fill(
                goal=goal,
                properties="\n".join(f"- {proposals.properties[i]}" for i in positive[:10]),
                opposite=f"At the opposite end:\n{opposite}\n\n" if opposite else "",
                evidence="\n".join(f"- {sentence}" for sentence in shown),
            )
        )
    answers = ask(
        llm,
        prompts,
        schema=_NAME_SCHEMA,
        parse=_parse_name,
        max_tokens=NAME_TOKENS,
        calls=calls,
        progress=partial(progress, "naming the factors"),
    )
    for k, answer in enumerate(answers):
        name, description = answer or ("", "")
        names[k], descriptions[k] = name or names[k], description or descriptions[k]
    return number_repeats(names), descriptions


def _parse_name(reply: str) -> tuple[str, str] | None:
    """The name and description in a reply; either is empty if missing or of an invalid length."""
    value = find_json(reply, "name", "description")
    if value is None:
        return None
    name, description = (
        to_line(value[key]) if isinstance(value.get(key), str) else "" for key in ("name", "description")
    )
    return (name if 2 <= len(name) <= _MAX_NAME else ""), description[:_MAX_DESCRIPTION]
