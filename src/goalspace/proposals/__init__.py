"""Proposals: the properties of each text, given a goal."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np

from goalspace.corpus import Corpus
from goalspace.encoders.cache import cached
from goalspace.encoders.protocol import Encoder
from goalspace.errors import InputError, LLMError
from goalspace.files import write_atomic
from goalspace.llm import call_cache, get_llm
from goalspace.llm.protocol import LLM
from goalspace.llm.structured import Calls
from goalspace.progress import Progress
from goalspace.proposals.from_llm import Answer, ask_properties
from goalspace.proposals.from_phrases import PER_TEXT, propose_phrases
from goalspace.proposals.from_records import read_recorded
from goalspace.proposals.vocabulary import MERGE, merge_near_duplicates, normalise

OFFLINE = "offline (corpus phrases)"
_CHARACTERS_PER_TOKEN = 4  # the usual rule of thumb for English
_OFFLINE_SAMPLE = 20_000  # largest number of texts that the offline proposer reads; links score the others


@dataclass(frozen=True)
class Proposals:
    """Properties proposed for texts.

    Attributes
    ----------
    properties
        The vocabulary (n_properties,), most frequent first.
    text_index, property_index
        (n_pairs,) int32, the pairs of a text and a property proposed for it.
    quotes
        For each pair the supporting words, quoted verbatim from the text, or None.
    surface_forms
        For each property the spellings merged into it.
    analyses
        Text index → the language model's analysis of the text.
    stats
        Counts of texts, properties and quotes read, dropped and kept.
    """

    properties: tuple[str, ...]
    text_index: np.ndarray
    property_index: np.ndarray
    quotes: tuple[str | None, ...]
    surface_forms: tuple[tuple[str, ...], ...]
    analyses: Mapping[int, str] = field(default_factory=dict)
    stats: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.properties)

    def n_texts_with(self) -> np.ndarray:
        """Return the number of texts that each property was proposed for (n_properties,)."""
        return np.bincount(self.property_index, minlength=len(self.properties))

    def save(self, path: Path, corpus: Corpus) -> None:
        """Write one JSON line per text with proposals, followed by one with the surface forms."""
        lines: dict[int, list[dict[str, Any]]] = {}
        for text, prop, quote in zip(self.text_index, self.property_index, self.quotes, strict=True):
            item = {"property": self.properties[prop], **({"quote": quote} if quote is not None else {})}
            lines.setdefault(int(text), []).append(item)
        records: list[dict[str, Any]] = []
        for text, items in lines.items():
            analysis = {"analysis": self.analyses[text]} if text in self.analyses else {}
            records.append({"id": corpus.ids[text], **analysis, "properties": items})
        forms = {
            name: list(forms)
            for name, forms in zip(self.properties, self.surface_forms, strict=True)
            if forms != (name,)
        }
        records.append({"properties": list(self.properties), "surface_forms": forms})
        write_atomic(path, "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))

    @classmethod
    def load(cls, path: Path, corpus: Corpus, stats: Mapping[str, Any] | None = None) -> Self:
        """Read proposals written by `save`; `stats` come from the run's record."""
        with path.open(encoding="utf-8") as file:
            *records, last = [json.loads(line) for line in file]
        names: list[str] = last["properties"]
        index = {name: i for i, name in enumerate(names)}
        rows = {id: i for i, id in enumerate(corpus.ids)}
        pairs = [
            (rows[r["id"]], index[p["property"]], p.get("quote")) for r in records for p in r["properties"]
        ]
        return cls(
            tuple(names),
            np.array([text for text, _, _ in pairs], dtype=np.int32),
            np.array([prop for _, prop, _ in pairs], dtype=np.int32),
            tuple(quote for _, _, quote in pairs),
            tuple(tuple(last["surface_forms"].get(name, (name,))) for name in names),
            {rows[r["id"]]: r["analysis"] for r in records if "analysis" in r},
            stats or {},
        )


def propose(
    corpus: Corpus,
    *,
    goal: str,
    llm: str | LLM | None = None,
    encoder: str | Encoder = "minilm",
    sample: int | None = None,
    prompting: Literal["single", "chained"] = "single",
    texts_per_call: int = 1,
    text_tokens: int = 2000,
    truncate_from: Literal["end", "start"] = "end",
    merge: float = MERGE,
    max_unparsed: float = 0.2,
    seed: int = 0,
    cache_dir: Path | None = None,
    progress: Progress | None = None,
) -> Proposals:
    """Propose the properties of every text that are relevant to the goal (Instruct-LF §3.1, arXiv 2502.15147).

    Parameters
    ----------
    corpus
        The texts.
    goal
        What the analyst wants to know, in plain language.
    llm
        A language model (see `get_llm`); ``recorded:FILE`` or ``recorded:FILE#FIELD`` for JSON Lines with ids and
        properties; or None for phrases of the corpus, ranked by `encoder`.
    encoder
        Encoder for merging near-duplicates and ranking phrases.
    sample
        Read only this many texts, drawn with `seed`; links score the others.
    prompting, texts_per_call
        "single": one call returns the analysis and the properties; "chained": two calls, as in the paper. The
        number of texts per call.
    text_tokens, truncate_from
        Longer texts are truncated to about this many tokens, from the "end", or from the "start" to keep the latest
        turns of a dialogue.
    merge
        Cosine from which two properties are merged; above 1 nothing is merged.
    max_unparsed
        Largest permitted share of texts whose replies remain unparsed after a second attempt.
    seed
        Seed of the sample.
    cache_dir
        Folder in which calls (llm.sqlite) and vectors are cached, for later stages and for resuming.
    progress
        Called with (description of the step, number done, total).

    Raises
    ------
    InputError
        If the goal is empty, an option is out of range, or a recorded file does not match the corpus.
    LLMError
        If the endpoint fails, or too many replies cannot be parsed.
    """
    goal = _check(goal, sample, prompting, texts_per_call, text_tokens, truncate_from, max_unparsed)
    encoder = cached(encoder, cache_dir, partial(progress, "embedding") if progress else None)
    recorded = isinstance(llm, str) and llm.startswith("recorded:")
    limit = sample if sample is not None or llm is not None else _OFFLINE_SAMPLE
    rows = _draw(len(corpus), limit, seed)
    stats: dict[str, Any] = {"n_read": len(rows)}
    if llm is None:
        phrases = propose_phrases([corpus.texts[i] for i in rows], goal, encoder, per_text=PER_TEXT)
        answers: list[Answer | None] = [Answer(properties=tuple(pairs)) for pairs in phrases]
        stats["proposer"] = OFFLINE
    elif recorded:
        answers = read_recorded(str(llm).removeprefix("recorded:"), [corpus.ids[i] for i in rows])
        stats["proposer"] = f"recorded replies ({Path(str(llm).removeprefix('recorded:')).name})"
    else:
        model = get_llm(llm, cache=call_cache(cache_dir))
        cut = [_truncate(corpus.texts[i], text_tokens, truncate_from) for i in rows]
        calls = Calls()
        answers = ask_properties(
            model,
            cut,
            goal,
            calls=calls,
            prompting=prompting,
            texts_per_call=texts_per_call,
            progress=partial(progress, "asking the LLM") if progress else None,
        )
        stats |= {
            "proposer": model.name,
            "n_cut": sum(len(short) < len(corpus.texts[i]) for i, short in zip(rows, cut, strict=True)),
            "n_unparsed": sum(answer is None for answer in answers),
            **calls.as_stats(),
        }
        _check_unparsed(calls.unparsed, stats, len(rows), max_unparsed, call_cache(cache_dir))
    return _assemble(corpus, rows, answers, encoder, merge, stats)


def _check(
    goal: str,
    sample: int | None,
    prompting: str,
    texts_per_call: int,
    tokens: int,
    truncate_from: str,
    max_unparsed: float,
) -> str:
    if not goal or not goal.strip():
        raise InputError(
            'The goal is empty. State what you want to know, for example --goal "why customers leave".'
        )
    for name, value, minimum in (
        ("sample", sample, 1),
        ("texts_per_call", texts_per_call, 1),
        ("text_tokens", tokens, 16),
    ):
        if value is not None and value < minimum:
            raise InputError(
                f"The '{name}' parameter of propose must be at least {minimum}. Got {value} instead."
            )
    for name, choice, choices in (
        ("prompting", prompting, ("single", "chained")),
        ("truncate_from", truncate_from, ("end", "start")),
    ):
        if choice not in choices:
            raise InputError(
                f"The '{name}' parameter of propose must be one of {', '.join(choices)}. Got {choice!r} instead."
            )
    if not 0 <= max_unparsed <= 1:
        raise InputError(
            f"The 'max_unparsed' parameter of propose must be between 0 and 1. Got {max_unparsed} instead."
        )
    return goal.strip()


def _draw(n_texts: int, sample: int | None, seed: int) -> list[int]:
    """Return the rows to read, in the order of the corpus."""
    if sample is None or sample >= n_texts:
        return list(range(n_texts))
    return sorted(np.random.default_rng(seed).choice(n_texts, size=sample, replace=False).tolist())


def _truncate(text: str, tokens: int, truncate_from: str) -> str:
    """Return about `tokens` tokens from the start or the end of a text, in whole words."""
    budget = tokens * _CHARACTERS_PER_TOKEN
    if len(text) <= budget:
        return text
    if truncate_from == "end":
        return text[:budget].rsplit(None, 1)[0]
    return text[-budget:].split(None, 1)[-1]


def _check_unparsed(
    unparsed: Sequence[str], stats: Mapping[str, Any], n_texts: int, max_unparsed: float, cache: Path | None
) -> None:
    if stats["n_unparsed"] > max_unparsed * n_texts:
        where = f" All replies are in {cache}." if cache else ""
        raise LLMError(
            f"{stats['n_unparsed']} of {n_texts} replies of {stats['proposer']} could not be read, more than the "
            f"{max_unparsed:.0%} allowed; the last one begins {unparsed[-1][:80]!r}.{where} Try a larger model."
        )


def _assemble(
    corpus: Corpus,
    rows: Sequence[int],
    answers: Sequence[Answer | None],
    encoder: Encoder,
    merge: float,
    stats: dict[str, Any],
) -> Proposals:
    """Build the vocabulary of all answers, and check quotes against the texts."""
    counts: Counter[str] = Counter()
    for answer in answers:
        counts.update({normalise(name) for name, _ in (answer.properties if answer else ())})
    counts.pop("", None)
    if not counts:
        raise InputError(
            f"No property was found for any of the {len(rows)} texts, so there is nothing to link."
        )
    stands_for = merge_near_duplicates(list(counts), list(counts.values()), encoder, threshold=merge)
    pairs: dict[tuple[int, str], str | None] = {}
    forms: dict[str, Counter[str]] = {}
    n_dropped = 0
    for row, answer in zip(rows, answers, strict=True):
        for wording, quote in answer.properties if answer else ():
            name = stands_for.get(normalise(wording))
            if name is None:
                continue
            forms.setdefault(name, Counter())[normalise(wording)] += 1
            exact = _find_quote(quote, corpus.texts[row])
            n_dropped += bool(quote.strip()) and exact is None
            pairs[row, name] = pairs.get((row, name)) or exact
    frequency = Counter(name for _, name in pairs)
    names = sorted(frequency, key=lambda name: (-frequency[name], name))
    index = {name: i for i, name in enumerate(names)}
    covered = {row for row, _ in pairs}
    stats |= {
        "n_properties": len(names),
        "n_merged": len(counts) - len(names),
        "n_pairs": len(pairs),
        "coverage": len(covered) / len(corpus),
        "n_quotes": sum(quote is not None for quote in pairs.values()),
        "n_quotes_dropped": n_dropped,
    }
    return Proposals(
        tuple(names),
        np.array([row for row, _ in pairs], dtype=np.int32),
        np.array([index[name] for _, name in pairs], dtype=np.int32),
        tuple(pairs.values()),
        tuple(tuple(form for form, _ in forms[name].most_common()) for name in names),
        {row: a.analysis for row, a in zip(rows, answers, strict=True) if a and a.analysis},
        stats,
    )


def _find_quote(quote: str, text: str) -> str | None:
    """Return the passage of the text that matches a quote up to whitespace and case; None if there is none."""
    words = quote.strip().strip("\"'“”").split()
    if not words:
        return None
    pattern = r"\s+".join(re.escape(word) for word in words)
    match = re.search(pattern, text) or re.search(pattern, text, re.IGNORECASE)
    return match.group() if match else None
