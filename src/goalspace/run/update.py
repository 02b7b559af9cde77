"""update(): a run with further texts, as a new run whose factors keep their numbers, names and edits."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from goalspace.corpus import Corpus
from goalspace.edits import log
from goalspace.encoders.cache import cached
from goalspace.encoders.goal import GoalEncoder
from goalspace.encoders.passages import PassageEncoder
from goalspace.encoders.registry import is_multilingual
from goalspace.factors import Factors
from goalspace.files import digest, make_folder, refuse_link, write_atomic, writing
from goalspace.increments.corpus import Join, join
from goalspace.increments.groups import find_groups
from goalspace.increments.placement import Placement
from goalspace.increments.proposals import join_links, join_proposals, take_texts
from goalspace.increments.refit import Increment, refit
from goalspace.links import Links
from goalspace.llm.address import is_endpoint
from goalspace.llm.limits import Limits
from goalspace.llm.protocol import LLM
from goalspace.progress import Progress, ignore_progress
from goalspace.proposals import Proposals, propose
from goalspace.proposals.offline import KnownTexts
from goalspace.proposals.plan import CallPlan, plan_calls, plan_vectors
from goalspace.proposals.vocabulary import MERGE
from goalspace.run.checks import check_keys, check_links_encoder, check_llm, masking_arguments
from goalspace.run.folder import Run
from goalspace.run.further_texts import (
    check_finished,
    columns_of,
    place_further,
    reads_under_goal,
)
from goalspace.run.record import (
    FORMAT,
    locked,
    new_record,
    next_folder,
    source_name,
    was_redacted,
    write_record,
)
from goalspace.run.schema import current_arguments
from goalspace.run.stages import argument_name, recorded_digest
from goalspace.run.update_folder import copy_stored, finished_update
from goalspace.run.update_record import describe_changes, describe_stages
from goalspace.vectors.geometry import normalize

# arguments of `propose` that a run's further texts are read with, too
_READING = ("prompting", "texts_per_call", "text_tokens", "truncate_from", "merge", "max_unparsed")


@dataclass(frozen=True)
class Update:
    """The result of `update`.

    Attributes
    ----------
    run
        The updated run; the run itself if all texts were known.
    changes
        What changed, as run.json records it; None if all texts were known.
    """

    run: Run
    changes: Mapping[str, Any] | None


def update(
    run: Run,
    source: Any,
    *,
    out: str | os.PathLike[str] | None = None,
    text: str | None = None,
    id: str | None = None,
    llm: str | LLM | None = None,
    limits: Limits | None = None,
    redact: bool = False,
    announce: Callable[[Sequence[CallPlan]], None] | None = None,
    progress: Progress | None = None,
) -> Update:
    """Take further texts into a run: a new folder with all texts, whose known factors stay what they are.

    The run itself does not change, so an interrupted update loses nothing; the same call resumes it. Vectors and proposals
    of the run are reused. Properties are proposed only for further texts that no factor explains: those less like any
    factor than 95 % of the run's texts are. Where these form groups, new factors come after the known ones (see
    `find_groups`); the known ones are refitted from where they are (see `refit`).

    Parameters
    ----------
    run
        A finished run. If its encoder is an endpoint, name it again in `Run.open`.
    source
        A file or folder of texts, a data frame, or a list of strings (see `Corpus.read`).
    out
        The new folder; by default that of the run with the next number.
    text, id
        The columns that hold the texts and their ids; by default those of the run, if the source has them.
    llm
        What proposes properties for texts that no factor explains; None works offline (see `propose`).
    limits
        What the calls of endpoints may cost, those of the run included, and how fast they may go.
    redact
        Mask private data for language models; a run that does so goes on.
    announce
        Called with what endpoints would be sent, perhaps nothing, before it is.
    progress
        Called with (current step, items done, items in total).

    Raises
    ------
    InputError
        If the run is not finished, the source cannot be read, an id is that of another text, or `out` is taken.
    LLMError
        If the endpoint fails; replies received so far are cached and not requested again.
    """
    path, report = Path(out) if out is not None else next_folder(run.path), progress or ignore_progress
    check_llm(llm, limits)
    report("reading the texts", 0, 1)
    with locked(run.path):  # nobody edits the run while it is read
        check_finished(run)
        base = _Base(run, run.corpus, run.proposals, run.links, run.fitted, run.factors)
        edits_log = log.read_bytes(run.path)
    check_links_encoder(base.links.encoder, limits)
    redact = redact or run.is_redacted or was_redacted(path)
    masking_arguments(redact, base.links.encoder)
    further = Corpus.read(source, **columns_of(run, source, text=text, id=id))
    joined = join(
        base.corpus,
        further,
        source=source_name(source),
        first_row=base.corpus.stats.get("n_read", len(base.corpus)),
    )
    if not joined.n_new:
        return Update(run, None)
    mark = digest(
        "update",
        FORMAT,
        run.fit_digest,
        edits_log,
        joined.corpus.digest,
        joined.corpus.counts,
        *_model(llm),
        redact,
    )
    retry_unread = limits is not None and limits.retry_unread
    done = finished_update(path, run.path, mark, edits_log=edits_log, retry_unread=retry_unread)
    if done is not None:
        return Update(done, done.record["updates"][-1])
    work = _Work(base, joined, path, llm, limits, redact, announce or (lambda _: None), report)
    work.announce_vectors()
    make_folder(path)
    with locked(path):
        changes = work.do(mark, edits_log, source_name(source))
    return Update(Run.open(path, encoder=run.encoder), changes)


@dataclass(frozen=True, eq=False)
class _Base:
    """What an update starts from."""

    run: Run
    corpus: Corpus
    proposals: Proposals
    links: Links
    fitted: Factors
    factors: Factors

    @property
    def arguments(self) -> dict[str, Any]:
        """The recorded arguments of `propose`."""
        return current_arguments(self.run.record["stages"]["propose"]["arguments"])


def _model(llm: str | LLM | None) -> tuple[str | None, str | None]:
    """Return the name of the model and the digest of recorded properties."""
    return argument_name(llm), recorded_digest(llm)


@dataclass(frozen=True, eq=False)
class _Work:
    """The work of an update, after everything is checked."""

    base: _Base
    joined: Join
    path: Path
    llm: str | LLM | None
    limits: Limits | None
    redact: bool
    announce: Callable[[Sequence[CallPlan]], None]
    report: Progress

    @property
    def n_known(self) -> int:
        """The number of texts of the run."""
        return len(self.base.corpus)

    @property
    def texts(self) -> tuple[str, ...]:
        """The further texts."""
        return self.joined.corpus.texts[self.n_known :]

    @property
    def _calls_encoder(self) -> bool:
        encoder = self.base.links.encoder
        return isinstance(encoder, str) and is_endpoint(encoder)

    def announce_vectors(self) -> None:
        """Announce what an encoder behind an endpoint would be sent, and a language model at most: nothing is placed yet."""
        if self._calls_encoder:
            encoder, column = self.base.links.encoder, self.joined.corpus.text_column
            plan = plan_vectors(self.texts, encoder=encoder, column=column, limits=self.limits)
            calls = self._plan_calls(range(self.n_known, len(self.joined.corpus)))
            self.announce([plan for plan in (plan, calls) if plan is not None])
            check_keys(encoder, self.llm)

    def announce_calls(self, rows: Sequence[int]) -> None:
        """Announce what a language model would be sent about some texts, unless `announce_vectors` did."""
        if not self._calls_encoder:
            plan = self._plan_calls(rows) if rows else None
            self.announce([plan] if plan is not None else [])
            check_keys(self.llm if rows else None)

    def _plan_calls(self, rows: Sequence[int]) -> CallPlan | None:
        reading = {name: value for name, value in self.base.arguments.items() if name in _READING}
        texts = take_texts(self.joined.corpus, rows)
        return plan_calls(
            texts, goal=self.base.run.goal, llm=self.llm, limits=self.limits, redact=self.redact, **reading
        )

    def do(self, mark: str, edits_log: bytes, source: str) -> dict[str, Any]:
        """Do the stages, write their files and, last, the record that makes the folder a run; return the changes."""
        started = time.monotonic()
        copy_stored(self.base.run.path, self.path)
        known, further = place_further(
            self.base.run, self.texts, cache_dir=self.path, limits=self.limits, progress=self.report
        )
        rows = (np.flatnonzero(further.unexplained(known.limit)) + self.n_known).tolist()
        self.announce_calls(rows)
        record = new_record(self.base.run.goal) | {"update": mark}
        if self.redact:
            record["redact"] = True  # before the first call, so that an interrupted update goes on doing so
        write_record(self.path, record)
        self.joined.corpus.save(self.path / "corpus.parquet")
        times = [started, time.monotonic()]
        self.report("proposing properties for texts that no factor explains", 0, 1)
        encoder = PassageEncoder(
            cached(self.base.links.encoder, self.path, limits=self.limits), self.base.links.passages
        )
        proposals = self._propose(rows, further, encoder)
        proposals.save(self.path / "proposals.jsonl", self.joined.corpus)
        times.append(time.monotonic())
        links = join_links(self.base.links, further.vectors, proposals, encoder)
        self._save_links(links)
        times.append(time.monotonic())
        self.report("refitting the factors", 0, 1)
        increment = self._increment(proposals, links, known, further, encoder)
        fitted = refit(self.base.fitted, increment)
        fitted.save(self.path)
        is_edited = self.base.factors is not self.base.fitted
        factors = refit(self.base.factors, increment) if is_edited else fitted
        times.append(time.monotonic())
        changes = describe_changes(self.base.run, self.joined, factors, proposals, known, further) | {
            "digest": mark,
            "source": source,
        }
        record["stages"] = describe_stages(
            self.base.run, mark, times, self.joined.corpus, proposals, fitted, changes["share_foreign"]
        )
        record["updates"] = [*self.base.run.record.get("updates", []), changes]
        if edits_log:
            write_atomic(self.path / log.LOG, edits_log)
        if is_edited:
            log.save(self.path, factors, record["stages"]["factor"]["digest"], self.base.run.edits.lost)
        write_record(self.path, record)
        return changes

    def _propose(self, rows: list[int], further: Placement, encoder: PassageEncoder) -> Proposals:
        """Propose properties for the texts at `rows`, and join them with those of the run."""
        base, goal = self.base, self.base.run.goal
        reading = {name: value for name, value in base.arguments.items() if name in _READING}
        found = None
        if rows:
            found = propose(
                take_texts(self.joined.corpus, rows),
                goal=goal,
                llm=self.llm,
                encoder=base.links.encoder,
                passages=base.links.passages,
                known=self._known_texts(further.vectors[np.array(rows) - self.n_known]),
                limits=self.limits,
                redact=self.redact,
                cache_dir=self.path,
                progress=self.report,
                **reading,
            )
        return join_proposals(
            base.proposals,
            found,
            rows,
            encoder,
            # a head would have moved them into a space of its own
            known_vectors=base.links.property_vectors if base.links.tower.head is None else None,
            n_texts=len(self.joined.corpus),
            not_relevant=(np.flatnonzero(~further.is_relevant) + self.n_known).tolist(),
            merge=reading.get("merge", MERGE),
        )

    def _known_texts(self, further: np.ndarray) -> KnownTexts:
        """The texts of the run as the encoder `goal` reads them; none for another proposer, which does not need them."""
        base, vocabulary = self.base, self.base.proposals.properties
        if self.llm is not None or is_multilingual(base.links.encoder_name):
            return KnownTexts(np.zeros((0, GoalEncoder.dim), dtype=np.float32), vocabulary)
        if reads_under_goal(base.run):
            return KnownTexts(base.links.text_vectors, vocabulary, base.links.property_vectors, further)
        reader = PassageEncoder(cached(GoalEncoder(base.run.goal), self.path), base.links.passages)
        return KnownTexts(reader.encode(base.corpus.texts), vocabulary)

    def _save_links(self, links: Links) -> None:
        own = self.base.run.path / "links" / "encoder"
        if links.recipe == "full" and str(links.encoder) == str(own):
            copy = self.path / "links" / "encoder"
            shutil.rmtree(copy, ignore_errors=True)
            refuse_link(own)
            with writing(copy):
                shutil.copytree(own, copy, symlinks=True)
            links = replace(links, encoder=str(copy))
        links.save(self.path / "links")

    def _increment(
        self,
        proposals: Proposals,
        links: Links,
        known: Placement,
        further: Placement,
        encoder: PassageEncoder,
    ) -> Increment:
        factors = self.base.factors
        groups = find_groups(
            normalize(known.vectors - factors.centre),
            normalize(further.vectors - factors.centre),
            factors.prototypes,
            unexplained=further.unexplained(known.limit),
        )
        seed = int(self.base.run.record["stages"]["factor"]["arguments"].get("seed") or 0)
        return Increment(
            self.joined.corpus,
            proposals,
            links,
            self.n_known,
            len(self.base.proposals),
            groups,
            encoder,
            seed,
        )
