"""What reads texts of a corpus and answers which properties they have: a file of recorded answers, or a language model."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from goalspace.corpus import Corpus
from goalspace.errors import CapReached, LLMError
from goalspace.llm import call_cache, get_llm
from goalspace.llm.limits import Limits
from goalspace.llm.protocol import LLM
from goalspace.llm.redaction import MaskedText, Redactor
from goalspace.llm.structured import STOP_SHARE, Calls
from goalspace.progress import Progress
from goalspace.proposals.assembly import Answers
from goalspace.proposals.from_llm import ask_properties
from goalspace.proposals.from_records import read_recorded
from goalspace.proposals.sample import truncate
from goalspace.text import count_reasons

_RECORDED = "recorded:"


class Reader(Protocol):
    """Reads texts, perhaps in several rounds.

    Attributes
    ----------
    name
        What it is called in run.json.
    is_capped
        Whether a limit of cost was reached, so that no further text is read.
    sources
        Row → the text as it was shown, of texts with masks.
    """

    name: str
    sources: dict[int, MaskedText]

    @property
    def is_capped(self) -> bool: ...

    def read(self, rows: Sequence[int]) -> Answers:
        """Return the answers about the texts at these rows, in this order."""
        ...

    def finish(self, answers: Answers) -> tuple[Answers, dict[str, Any]]:
        """Return the answers that count, and the counts that the stage records."""
        ...


class RecordedReader:
    """Reads a file of recorded answers.

    Parameters
    ----------
    corpus
        The texts.
    spec
        ``FILE`` or ``FILE#FIELD``.
    """

    is_capped = False

    def __init__(self, corpus: Corpus, spec: str) -> None:
        self.name = f"recorded replies ({Path(spec).name})"
        self.sources: dict[int, MaskedText] = {}
        self._answers = read_recorded(spec, corpus.ids)

    def read(self, rows: Sequence[int]) -> Answers:
        """Return the answers in the file; None for texts that it does not have."""
        return {row: self._answers[row] for row in rows}

    def finish(self, answers: Answers) -> tuple[Answers, dict[str, Any]]:
        """Return the answers; there is nothing to count."""
        return answers, {}


class LLMReader:
    """Asks a language model.

    Parameters
    ----------
    corpus, goal
        The texts, and what the analyst wants to know.
    llm, limits, redact, cache_dir, progress, max_unparsed
        See `propose`.
    text_tokens, truncate_from
        How texts are cut.
    asked
        Further arguments of `ask_properties`.
    """

    def __init__(
        self,
        corpus: Corpus,
        goal: str,
        llm: str | LLM,
        *,
        limits: Limits | None,
        redact: bool,
        cache_dir: Path | None,
        progress: Progress | None,
        max_unparsed: float,
        text_tokens: int,
        truncate_from: str,
        **asked: Any,
    ) -> None:
        self._redactor = Redactor(cache_dir) if redact else None
        self._llm = get_llm(
            llm, cache=call_cache(cache_dir), limits=limits, redactor=self._redactor, progress=progress
        )
        self.name = self._llm.name
        # before anything is made of it, such as a digest
        self._goal = goal if self._redactor is None else self._redactor.mask_prompts([goal])[0]
        self._corpus, self._cache_dir, self._progress = corpus, cache_dir, progress
        self._max_unparsed, self._text_tokens, self._truncate_from = max_unparsed, text_tokens, truncate_from
        self._asked = asked
        self._calls = Calls(
            stop_share=max(STOP_SHARE, max_unparsed),
            wanted="property",
            retry_unread=limits is not None and limits.retry_unread,
        )
        self.sources: dict[int, MaskedText] = {}
        self._cut: set[int] = set()

    @property
    def is_capped(self) -> bool:
        """Whether a limit of cost was reached."""
        return bool(self._calls.cap)

    def read(self, rows: Sequence[int]) -> Answers:
        """Mask the texts as a whole, cut them, and ask about them."""
        sources = self._mask(rows)
        shown = [truncate(source.text, self._text_tokens, self._truncate_from) for source in sources]
        self.sources.update(zip(rows, sources, strict=True))
        self._cut.update(
            row
            for row, source, text in zip(rows, sources, shown, strict=True)
            if len(text) < len(source.text)
        )
        answers = ask_properties(
            self._llm,
            shown,
            self._goal,
            calls=self._calls,
            truncate_from=self._truncate_from,
            progress=self._progress,
            **self._asked,
        )
        return dict(zip(rows, answers, strict=True))

    def _mask(self, rows: Sequence[int]) -> list[MaskedText]:
        texts = [self._corpus.texts[row] for row in rows]
        if self._redactor is None:
            return [MaskedText(text) for text in texts]
        report = partial(self._progress, "masking private data") if self._progress else None
        return self._redactor.mask(texts, report)

    def finish(self, answers: Answers) -> tuple[Answers, dict[str, Any]]:
        """Leave out texts that a limit of cost kept from being read, and count the calls.

        Raises
        ------
        CapReached
            If no text was read.
        LLMError
            If too many replies could not be parsed.
        """
        calls = self._calls
        n_masked = sum(len(self.sources[row].masks) for row in answers)
        if calls.cap:
            answers = {row: answer for row, answer in answers.items() if answer is not None}
            if not answers:
                raise CapReached(f"{calls.cap} No text was read: run the same command with a larger limit.")
        n_unparsed = sum(answer is None for answer in answers.values())
        calls.note_too_long(n_unparsed)
        stats = {
            **({} if self._redactor is None else {"n_masked": n_masked}),
            "n_cut": sum(row in self._cut for row in answers),
            "n_unparsed": n_unparsed,
            **calls.as_stats(),
        }
        if n_unparsed > self._max_unparsed * len(answers):
            raise LLMError(self._complain(n_unparsed, len(answers), stats["unread"]))
        return answers, stats

    def _complain(self, n_unparsed: int, n_texts: int, unread: dict[str, int]) -> str:
        cache, unparsed = call_cache(self._cache_dir), self._calls.unparsed
        where = f" All replies are in {cache}." if cache else ""
        last = f"the last one begins {unparsed[-1][:80]!r}" if unparsed else "no text got a reply"
        return (
            f"{n_unparsed} of {n_texts} replies of {self.name} could not be read ({count_reasons(unread)}), more than the "
            f"{self._max_unparsed:.0%} allowed; {last}.{where} Try a larger model, or, if the trouble was with the endpoint, "
            "--retry-unread."
        )


def open_reader(corpus: Corpus, goal: str, llm: str | LLM, **options: Any) -> Reader:
    """Return what reads the texts for an `llm` of `propose`; the options are those of `LLMReader`."""
    if isinstance(llm, str) and llm.startswith(_RECORDED):
        return RecordedReader(corpus, llm.removeprefix(_RECORDED))
    return LLMReader(corpus, goal, llm, **options)
