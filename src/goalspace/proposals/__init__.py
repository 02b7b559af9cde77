"""Proposals: the properties of each text, given a goal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np

from goalspace.corpus import Corpus
from goalspace.encoders.cache import cached
from goalspace.encoders.passages import AUTO, PassageEncoder, Passages, check_passages
from goalspace.encoders.protocol import Encoder
from goalspace.encoders.registry import refuse_endpoint
from goalspace.files import digest, write_atomic
from goalspace.llm.limits import Limits
from goalspace.llm.protocol import LLM
from goalspace.llm.redaction import MaskedText
from goalspace.progress import Progress
from goalspace.proposals import storage
from goalspace.proposals.assembly import Answers, assemble, merge_answers, spelling
from goalspace.proposals.offline import KnownTexts
from goalspace.proposals.options import check_options, check_sample
from goalspace.proposals.readers import open_reader
from goalspace.proposals.rounds import MIN_NEW, STORED, Rounds, count_steps, describe_steps
from goalspace.proposals.sample import TEXT_TOKENS, UNTIL_KNOWN, Sample, cover_rows, draw_rows
from goalspace.proposals.vocabulary import MERGE, KnownProperties
from goalspace.proposals.without_llm import propose_without_llm

OFFLINE = "offline (property bank and phrases of the texts)"
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
    not_relevant
        Indices of the texts that were read without finding a property that answers the goal.
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
    not_relevant: tuple[int, ...] = ()
    analyses: Mapping[int, str] = field(default_factory=dict)
    stats: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.properties)

    def n_texts_with(self) -> np.ndarray:
        """Return the number of texts that each property was proposed for (n_properties,)."""
        return np.bincount(self.property_index, minlength=len(self.properties))

    def save(self, path: Path, corpus: Corpus) -> None:
        """Write one JSON line per text that was read, followed by one with the surface forms."""
        lines: dict[int, list[dict[str, Any]]] = {text: [] for text in self.not_relevant}
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
        """Read proposals written by `save`.

        Parameters
        ----------
        path
            The file.
        corpus
            The texts.
        stats
            The counts recorded by the stage.

        Raises
        ------
        InputError
            If the file is damaged, or does not go with the texts.
        """
        return cls(**storage.read(path, corpus.ids), stats=stats or {})


def propose(
    corpus: Corpus,
    *,
    goal: str,
    llm: str | LLM | None = None,
    encoder: str | Encoder = "minilm",
    passages: Passages = AUTO,
    sample: Sample = None,
    min_new: int = MIN_NEW,
    prompting: Literal["single", "chained"] = "single",
    texts_per_call: int = 1,
    text_tokens: int = TEXT_TOKENS,
    truncate_from: Literal["end", "start"] = "end",
    merge: float = MERGE,
    max_unparsed: float = 0.2,
    seed: int = 0,
    limits: Limits | None = None,
    redact: bool = False,
    known: KnownTexts | None = None,
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
        properties; or None for properties of the bank and phrases of the texts, chosen by the encoder ``goal``, or for phrases
        alone, chosen by the encoder ``multilingual``, if `encoder` is that.
    encoder
        Encoder for merging near-duplicates, and for the choice of a sample.
    passages
        How texts longer than the window of an encoder are read (see `link`). A language model does not read passages.
    sample
        Read only this many texts; links score the others. With a language model, they are chosen to cover all texts (see
        `choose_covering`); without one, or if there are 4,096 of them or more, they are drawn. "auto" reads 100 at a time until
        they bring few new properties (see `Rounds`), at most 4,096.
    min_new
        With "auto": fewer new properties than this of 100 texts, unlike all that came before (see `Novelty`), end the reading.
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
        Seed of what is drawn for the sample.
    limits
        What the calls may cost, and how fast they may go. If the cost reaches its limit, the texts read by then are used.
    redact
        Mask e-mail addresses, phone numbers, payment cards and IBANs for the language model (extra ``redact``). Properties and
        analyses keep the placeholders; quotes are passages of the texts.
    known
        The texts of a run that these ones join (see `propose_offline`); a language model does not need them. Then, nothing may
        be found.
    cache_dir
        Folder in which calls (llm.sqlite), placeholders (redacted.sqlite), the texts to read with "auto" (sample.json) and vectors
        are cached, for later stages and for resuming.
    progress
        Called with (description of the step, number done, total).

    Raises
    ------
    InputError
        If the goal is empty, an option is out of range, a recorded file does not match the corpus, or `redact` is given with
        an encoder behind an endpoint.
    LLMError
        If the endpoint fails, or too many replies cannot be parsed.
    """
    check_passages(passages)
    goal = check_options(goal, prompting, texts_per_call, text_tokens, truncate_from, max_unparsed)
    check_sample(sample, min_new, llm, limits)
    if redact:
        refuse_endpoint(encoder)
    report = partial(progress, "embedding") if progress else None
    comparing = KnownProperties(cached(encoder, cache_dir, report, limits))
    spell = spelling(corpus.texts)
    sources: Mapping[int, MaskedText] = {}
    answers: Answers
    if llm is None:
        # it counts how many texts share a property, which must be the share of all: no choice by coverage
        rows = draw_rows(len(corpus), _OFFLINE_SAMPLE if sample is None else int(sample), seed)
        found, counts = propose_without_llm(
            [corpus.texts[row] for row in rows],
            goal,
            comparing,
            passages=passages,
            known=known,
            cache_dir=cache_dir,
            report=report,
        )
        answers, stats = dict(zip(rows, found, strict=True)), {"proposer": OFFLINE, **counts}
    else:
        reader = open_reader(
            corpus,
            goal,
            llm,
            limits=limits,
            redact=redact,
            cache_dir=cache_dir,
            progress=progress,
            max_unparsed=max_unparsed,
            text_tokens=text_tokens,
            truncate_from=truncate_from,
            prompting=prompting,
            texts_per_call=texts_per_call,
        )
        encode = partial(PassageEncoder(comparing, passages, report=report).encode, corpus.texts)
        if sample == UNTIL_KNOWN:
            mark = digest(corpus.digest, goal, comparing.name, passages, reader.name, seed)
            stored = None if cache_dir is None else cache_dir / STORED
            rounds = Rounds(spell, comparing, min_new, seed, stored, mark)
            answers = rounds.read(reader, encode())
        else:
            answers = reader.read(cover_rows(len(corpus), sample, seed, encode))
        answers, counts = reader.finish(answers)
        stats, sources = {"proposer": reader.name, **counts}, reader.sources
    stands_for = merge_answers(answers, spell, comparing, merge)
    if llm is not None and sample is not None:
        steps = count_steps(answers, stands_for, spell, comparing)
        stats |= {"n_texts": len(corpus), **describe_steps(steps)}
    fields = assemble(corpus, answers, sources, stands_for, spell, may_be_empty=known is not None)
    fields["stats"] = {"n_read": len(answers), **stats, **fields["stats"]}
    return Proposals(**fields)
