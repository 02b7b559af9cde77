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
from goalspace.encoders.goal import GoalEncoder
from goalspace.encoders.protocol import Encoder
from goalspace.encoders.registry import refuse_endpoint
from goalspace.errors import CapReached, InputError, LLMError
from goalspace.files import write_atomic
from goalspace.llm import call_cache, get_llm
from goalspace.llm.limits import Limits
from goalspace.llm.protocol import LLM
from goalspace.llm.redaction import MaskedText, Redactor
from goalspace.llm.structured import STOP_SHARE, Calls
from goalspace.progress import Progress
from goalspace.proposals import storage
from goalspace.proposals.answers import Answer
from goalspace.proposals.from_llm import ask_properties
from goalspace.proposals.from_records import read_recorded
from goalspace.proposals.offline import KnownTexts, propose_offline
from goalspace.proposals.options import check_options
from goalspace.proposals.sample import TEXT_TOKENS, draw_rows, truncate
from goalspace.proposals.vocabulary import MERGE, merge_near_duplicates, normalise
from goalspace.text import count_reasons

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
    sample: int | None = None,
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
        properties; or None for properties of the bank and phrases of the texts, chosen by the encoder ``goal``.
    encoder
        Encoder for merging near-duplicates.
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
    limits
        What the calls may cost, and how fast they may go. If the cost reaches its limit, the texts read by then are used.
    redact
        Mask e-mail addresses, phone numbers, payment cards and IBANs for the language model (extra ``redact``). Properties and
        analyses keep the placeholders; quotes are passages of the texts.
    known
        The texts of a run that these ones join (see `propose_offline`); a language model does not need them. Then, nothing may
        be found.
    cache_dir
        Folder in which calls (llm.sqlite), placeholders (redacted.sqlite) and vectors are cached, for later stages and for resuming.
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
    goal = check_options(goal, sample, prompting, texts_per_call, text_tokens, truncate_from, max_unparsed)
    if redact:
        refuse_endpoint(encoder)
    report = partial(progress, "embedding") if progress else None
    encoder = cached(encoder, cache_dir, report, limits)
    recorded = isinstance(llm, str) and llm.startswith("recorded:")
    limit = sample if sample is not None or llm is not None else _OFFLINE_SAMPLE
    rows = draw_rows(len(corpus), limit, seed)
    stats: dict[str, Any] = {"n_read": len(rows)}
    sources: dict[int, MaskedText] = {}
    if llm is None:
        reader, texts = GoalEncoder(goal), [corpus.texts[i] for i in rows]
        at_hand = None if known is None else known.further
        vectors = cached(reader, cache_dir, report).encode(texts) if at_hand is None else at_hand
        answers: list[Answer | None] = [*propose_offline(texts, vectors, reader, known=known)]
        stats["proposer"] = OFFLINE
    elif recorded:
        answers = read_recorded(str(llm).removeprefix("recorded:"), [corpus.ids[i] for i in rows])
        stats["proposer"] = f"recorded replies ({Path(str(llm).removeprefix('recorded:')).name})"
    else:
        redactor = Redactor(cache_dir) if redact else None
        model = get_llm(llm, cache=call_cache(cache_dir), limits=limits, redactor=redactor, progress=progress)
        sources = _mask(corpus, rows, redactor, stats, progress)
        cut = [truncate(sources[i].text, text_tokens, truncate_from) for i in rows]
        calls = Calls(
            stop_share=max(STOP_SHARE, max_unparsed),
            wanted="property",
            retry_unread=limits is not None and limits.retry_unread,
        )
        answers = ask_properties(
            model,
            cut,
            # before anything is made of it, such as a digest
            goal if redactor is None else redactor.mask_prompts([goal])[0],
            calls=calls,
            prompting=prompting,
            texts_per_call=texts_per_call,
            truncate_from=truncate_from,
            progress=progress,
        )
        if calls.cap:  # the other texts were not read, as in a sample
            rows, cut, answers = _answered(rows, cut, answers, calls.cap)
        n_unparsed = sum(answer is None for answer in answers)
        calls.note_too_long(n_unparsed)
        stats |= {
            "n_read": len(rows),
            "proposer": model.name,
            "n_cut": sum(len(short) < len(sources[i].text) for i, short in zip(rows, cut, strict=True)),
            "n_unparsed": n_unparsed,
            **calls.as_stats(),
        }
        _check_unparsed(calls.unparsed, stats, len(rows), max_unparsed, call_cache(cache_dir))
    return _assemble(corpus, rows, answers, sources, encoder, merge, stats, may_be_empty=known is not None)


def _mask(
    corpus: Corpus,
    rows: Sequence[int],
    redactor: Redactor | None,
    stats: dict[str, Any],
    progress: Progress | None,
) -> dict[int, MaskedText]:
    """Return the texts of the rows as a model is shown them: masked as a whole, before they are cut."""
    texts = [corpus.texts[i] for i in rows]
    if redactor is None:
        return dict(zip(rows, map(MaskedText, texts), strict=True))
    report = partial(progress, "masking private data") if progress else None
    masked = redactor.mask(texts, report)
    stats["n_masked"] = sum(len(text.masks) for text in masked)
    return dict(zip(rows, masked, strict=True))


def _answered(
    rows: Sequence[int], cut: Sequence[str], answers: Sequence[Answer | None], cap: str
) -> tuple[list[int], list[str], list[Answer | None]]:
    """Return the rows, texts and answers of the texts that were answered before a limit was reached."""
    found = [triple for triple in zip(rows, cut, answers, strict=True) if triple[2] is not None]
    if not found:
        raise CapReached(f"{cap} No text was read: run the same command with a larger limit.")
    return [row for row, _, _ in found], [text for _, text, _ in found], [answer for _, _, answer in found]


def _check_unparsed(
    unparsed: Sequence[str], stats: Mapping[str, Any], n_texts: int, max_unparsed: float, cache: Path | None
) -> None:
    if stats["n_unparsed"] > max_unparsed * n_texts:
        where = f" All replies are in {cache}." if cache else ""
        last = f"the last one begins {unparsed[-1][:80]!r}" if unparsed else "no text got a reply"
        raise LLMError(
            f"{stats['n_unparsed']} of {n_texts} replies of {stats['proposer']} could not be read "
            f"({count_reasons(stats['unread'])}), more than the {max_unparsed:.0%} allowed; {last}.{where} Try a larger model, "
            "or, if the trouble was with the endpoint, --retry-unread."
        )


def _assemble(
    corpus: Corpus,
    rows: Sequence[int],
    answers: Sequence[Answer | None],
    sources: Mapping[int, MaskedText],
    encoder: Encoder,
    merge: float,
    stats: dict[str, Any],
    *,
    may_be_empty: bool,
) -> Proposals:
    """Build the vocabulary of all answers, and check quotes against the texts."""
    counts: Counter[str] = Counter()
    for answer in answers:
        counts.update({normalise(name) for name, _ in (answer.properties if answer else ())})
    counts.pop("", None)
    if not counts and not may_be_empty:
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
            exact = _find_quote(quote, sources.get(row) or MaskedText(corpus.texts[row]))
            n_dropped += bool(quote.strip()) and exact is None
            pairs[row, name] = pairs.get((row, name)) or exact
    not_relevant = tuple(
        row for row, answer in zip(rows, answers, strict=True) if answer and not answer.properties
    )
    frequency = Counter(name for _, name in pairs)
    names = sorted(frequency, key=lambda name: (-frequency[name], name))
    index = {name: i for i, name in enumerate(names)}
    covered = {row for row, _ in pairs}
    stats |= {
        "n_properties": len(names),
        "n_merged": len(counts) - len(names),
        "n_pairs": len(pairs),
        "coverage": len(covered) / len(corpus),
        "n_not_relevant": len(not_relevant),
        "n_quotes": sum(quote is not None for quote in pairs.values()),
        "n_quotes_dropped": n_dropped,
    }
    return Proposals(
        tuple(names),
        np.array([row for row, _ in pairs], dtype=np.int32),
        np.array([index[name] for _, name in pairs], dtype=np.int32),
        tuple(pairs.values()),
        tuple(tuple(form for form, _ in forms[name].most_common()) for name in names),
        not_relevant,
        {row: a.analysis for row, a in zip(rows, answers, strict=True) if a and a.analysis},
        stats,
    )


def _find_quote(quote: str, source: MaskedText) -> str | None:
    """Return the passage of the text that a quote of what was shown matches up to whitespace and case, or None."""
    words = quote.strip().strip("\"'“”").split()
    if not words:
        return None
    pattern, text = r"\s+".join(re.escape(word) for word in words), source.text
    match = re.search(pattern, text) or re.search(pattern, text, re.IGNORECASE)
    return source.restore(*match.span()) if match else None
