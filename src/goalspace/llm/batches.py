"""An LLM whose calls go through the batch API of an endpoint, which answers within a day at a lower price."""

from __future__ import annotations

import json
import logging
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goalspace.errors import LLMError
from goalspace.files import digest
from goalspace.llm.address import without_password
from goalspace.llm.batch_api import BatchApi, BatchState
from goalspace.llm.batch_files import Result, read_results, request_line
from goalspace.llm.batch_log import Batch, BatchLog, Call, Outcome
from goalspace.llm.batch_outcomes import count_costs, decide, judge, judge_failed, last_answer
from goalspace.llm.chat import ChatLLM, api_llm
from goalspace.llm.completion import Completion
from goalspace.llm.endpoint import find_endpoint
from goalspace.llm.limits import Limits
from goalspace.llm.meter import current_meter
from goalspace.llm.pricing import Prices, most_tokens
from goalspace.llm.protocol import Reply, StreamingLLM
from goalspace.llm.spending import Ledger, Reservation
from goalspace.progress import Progress, ignore_progress
from goalspace.text import plural

_log = logging.getLogger(__name__)

_MAX_DOWNLOADS = 4  # of results that are not complete
_FLUSH = 100  # calls that are forgotten together
_GROWTH = 1.5  # of the time between looks at a batch
_MAX_HALVINGS = 6  # of batches that are too large for the queue of the account


def batch_llm(spec: str, *, limits: Limits, path: Path, progress: Progress | None = None) -> BatchLLM:
    """Make the LLM of ``openai:MODEL`` or ``http(s)://HOST:PORT/v1#MODEL`` whose calls go through the batch API.

    Parameters
    ----------
    spec
        One of these forms.
    limits
        What the calls may cost. Without `limits.batch`, only batches that were created before are waited for, and
        other calls are ordinary ones.
    path
        The file that stores what is in which batch, and keeps count of the cost.
    progress
        Called while a batch is waited for.
    """
    endpoint = find_endpoint(spec)
    prices = Prices(endpoint.model, endpoint.address, limits.prices, is_batch=True)
    ledger = Ledger(path, limits, prices, synchronous="FULL")
    chat = api_llm(spec, limits=limits, ledger_path=path)
    return BatchLLM(chat, ledger, without_password(endpoint.address), progress=progress)


@dataclass(frozen=True)
class _Ask:
    """A call to be made: its key, its prompt, and how long the reply may be."""

    key: str
    prompt: str
    max_tokens: int


class BatchLLM(StreamingLLM):
    """A model behind the batch API of an OpenAI-compatible endpoint.

    Calls are stored in the file of the ledger before their batch is created, and the id of the batch as soon as it is
    known, so that a killed process goes on where it was when its calls are made again. Of a batch that fails, expires or is
    cancelled, the replies that came back are used, and only the other calls are made again.

    Parameters
    ----------
    chat
        Makes the same calls singly: requests, name and connection are its own.
    ledger
        Keeps what the calls cost below a cap, if there is one.
    address
        The endpoint, for messages.
    progress
        Called with (what is waited for, requests that are done, requests) while a batch is waited for.

    Attributes
    ----------
    first_wait, longest_wait
        Seconds between looks at a batch, at first and at most.
    grace
        Seconds within which a batch may appear at the endpoint whose creation was interrupted.
    most_calls, most_bytes
        Largest size of a batch; OpenAI accepts 50,000 calls and 200 MB.
    """

    first_wait = 1.0
    longest_wait = 30.0
    grace = 10.0
    most_calls = 20_000
    most_bytes = 50_000_000

    def __init__(
        self, chat: ChatLLM, ledger: Ledger, address: str, *, progress: Progress | None = None
    ) -> None:
        self.chat, self.ledger, self.address = chat, ledger, address
        self.name, self.is_batched = chat.name, chat.limits.batch
        self._progress = progress or ignore_progress
        self._meter = current_meter()
        self._api = BatchApi(chat.connect, chat.model, chat.limits, grace=self.grace)
        self._n_halved = 0  # how often the size of batches was halved, for the queue of the account
        self._n_failed = 0  # batches that failed as a whole

    def stream(
        self, prompts: Sequence[str], *, schema: dict[str, Any] | None = None, max_tokens: int = 512
    ) -> Iterator[tuple[int, Reply]]:
        """Yield (position in `prompts`, reply) as batches end.

        A prompt whose call fails in several batches gets an empty reply that names the problem. The reply to a prompt is
        forgotten here once the next one is asked for: the caller has stored it.

        Raises
        ------
        LLMError
            If the endpoint has no batch API, fails for good, or does not answer for as long as the patience lasts.
            Batches go on there.
        CapReached
            If calls do not fit below the cap, when the replies to the others were yielded.
        KeyboardInterrupt
            After Ctrl-C; batches go on at the endpoint.
        """
        if not len(prompts):
            return
        log = BatchLog(self.ledger, self.name, self.address)
        try:
            log.open()
            self._recover(log)
            self.chat.dialect.refused |= log.refused()
            yield from self._answer(log, prompts, schema, max_tokens)
        except KeyboardInterrupt:
            if ids := [batch.id for batch in log.batches() if batch.id]:
                goes = "goes" if len(ids) == 1 else "go"
                _log.warning(
                    "%s %s on at %s: the same command fetches the replies", _named(ids), goes, self.address
                )
            raise
        finally:
            log.close()

    def _recover(self, log: BatchLog) -> None:
        """Look for batches that a killed process may have created, and forget those that do not exist."""
        if all(batch.id for batch in log.batches()):
            return
        with log.submitting():
            for batch in (batch for batch in log.batches() if not batch.id):
                found = self._api.find(batch.input_file, batch.mark, batch.asked) if batch.asked else None
                if found is None:
                    log.discard(batch.mark)
                else:
                    log.note(batch.mark, id=found.id, status=found.status)

    def _answer(
        self, log: BatchLog, prompts: Sequence[str], schema: dict[str, Any] | None, max_tokens: int
    ) -> Iterator[tuple[int, Reply]]:
        positions: dict[str, list[int]] = {}
        for position, prompt in enumerate(prompts):
            positions.setdefault(digest(self.name, prompt, schema, max_tokens), []).append(position)
        failure: LLMError | None = None
        is_short = is_told = False
        while positions:
            made = log.calls()
            asks: list[_Ask] = []
            marks: set[str] = set()
            done: list[Call] = []
            for key in list(positions):
                calls = made.get(key, [])
                found = decide(calls, max_tokens)
                if isinstance(found, Reply):
                    yield from ((position, found) for position in positions.pop(key))
                    done += calls  # the caller has stored the reply
                    if len(done) >= _FLUSH:
                        log.drop(done)
                        done.clear()
                elif found is None:
                    marks.add(calls[-1].batch)
                else:
                    asks.append(_Ask(key, prompts[positions[key][0]], found))
            log.drop(done)
            if failure is not None:
                raise failure
            if asks and self.chat.limits.batch and not (is_short and not self._has_room(asks, schema)):
                n_sent, is_cut_off = self._submit(log, asks, schema, is_waiting=bool(marks))
                is_short = is_short or is_cut_off
                if n_sent:
                    continue
            waiting = [batch for batch in log.batches() if batch.mark in marks]
            if waiting:
                if not self.chat.limits.batch and not is_told:
                    is_told = True
                    _log.warning(
                        "%s of these calls are paid in batches: waiting for %s; cancel them with the provider to have "
                        "the others answered by ordinary calls",
                        f"{len(positions) - len(asks):,}",
                        _named([batch.id for batch in waiting]),
                    )
                failure = self._await(log, waiting)
            elif asks:
                yield from self._finish(log, asks, made, positions, schema, max_tokens)
                return

    def _finish(
        self,
        log: BatchLog,
        asks: Sequence[_Ask],
        made: Mapping[str, list[Call]],
        positions: Mapping[str, list[int]],
        schema: dict[str, Any] | None,
        max_tokens: int,
    ) -> Iterator[tuple[int, Reply]]:
        """Answer the calls that go into no batch: by ordinary calls, or not at all, as they do not fit below the cap."""
        if not self.chat.limits.batch:
            for ask in asks:
                log.drop(made.get(ask.key, []))
            prompts = [ask.prompt for ask in asks]
            for number, reply in self.chat.stream(prompts, schema=schema, max_tokens=max_tokens):
                yield from ((position, reply) for position in positions[asks[number].key])
            return
        left = []
        for ask in asks:
            if (found := last_answer(made.get(ask.key, []))) is None:
                left.append(ask)
                continue
            # a reply that was cut is better than none
            yield from ((position, found) for position in positions[ask.key])
            log.drop(made[ask.key])
        if left:
            raise self.ledger.cap_reached([self._largest(ask, schema) for ask in left])

    # ---------------------------------------------------------------- creating batches

    def _largest(self, ask: _Ask, schema: dict[str, Any] | None) -> Reservation:
        sent = self.chat.dialect.request(ask.prompt, schema, ask.max_tokens)["messages"][0]["content"]
        return self.ledger.largest(most_tokens(sent + json.dumps(schema)), ask.max_tokens)

    def _has_room(self, asks: Sequence[_Ask], schema: dict[str, Any] | None) -> bool:
        return self.ledger.has_room(self._largest(ask, schema) for ask in asks)

    def _submit(
        self, log: BatchLog, asks: Sequence[_Ask], schema: dict[str, Any] | None, *, is_waiting: bool
    ) -> tuple[int, bool]:
        """Create batches; return how many calls they hold, and whether others do not fit below the cap."""
        n_sent = 0
        while n_sent < len(asks):
            if self._n_halved and (is_waiting or n_sent):
                break  # one at a time
            mark = secrets.token_hex(16)
            lines: list[bytes] = []
            n_bytes = 0
            for ask in asks[n_sent : n_sent + max(self.most_calls >> self._n_halved, 1)]:
                body = self.chat.dialect.request(ask.prompt, schema, ask.max_tokens)
                line = request_line(mark, len(lines), body)
                n_bytes += len(line)
                if lines and n_bytes > self.most_bytes:
                    break
                lines.append(line)
            part = asks[n_sent : n_sent + len(lines)]
            parameters = self.chat.dialect.request("", schema, part[0].max_tokens) | {"messages": []}
            with log.submitting():
                n = log.prepare(
                    mark,
                    [(ask.key, self._largest(ask, schema)) for ask in part],
                    parameters=parameters,
                    refused=self.chat.dialect.refused,
                )
                if n:
                    self._create(log, mark, b"".join(lines[:n]))
            n_sent += n
            if n < len(part):
                return n_sent, True
        return n_sent, False

    def _create(self, log: BatchLog, mark: str, content: bytes) -> None:
        """Create a batch that is stored; whatever fails, `_recover` finds out what became of it."""
        uploaded: list[str] = []

        def note_file(file_id: str) -> None:
            uploaded.append(file_id)
            log.note(mark, input_file=file_id, status="uploaded")

        self._api.upload(content, f"goalspace-{mark[:8]}.jsonl", note_file)
        self._api.create(
            uploaded[-1],
            mark,
            before=lambda: log.note(mark, asked=time.time(), status="creating"),
            note=lambda state: log.note(mark, id=state.id, status=state.status),
        )

    # ---------------------------------------------------------------- results

    def _await(self, log: BatchLog, waiting: Sequence[Batch]) -> LLMError | None:
        """Wait until one of the batches has ended, and take its results; return what ends the run, if anything does."""
        wait = self.first_wait
        total = sum(batch.n_calls for batch in waiting)
        statuses = {batch.mark: batch.status for batch in waiting}
        while True:
            states = {batch.mark: self._api.retrieve(batch.id) for batch in waiting}
            done = sum(min(states[batch.mark].n_done, batch.n_calls) for batch in waiting)
            self._progress("waiting for the batch", done, total)
            ended = [batch for batch in waiting if states[batch.mark].is_final]
            if ended:
                failures = [self._take(log, batch, states[batch.mark]) for batch in ended]
                return next(filter(None, failures), None)
            for batch in waiting:
                if statuses.get(batch.mark) != states[batch.mark].status:
                    statuses[batch.mark] = states[batch.mark].status
                    log.note(batch.mark, status=statuses[batch.mark])
            time.sleep(wait)
            wait = min(wait * _GROWTH, self.longest_wait)

    def _take(self, log: BatchLog, batch: Batch, state: BatchState) -> LLMError | None:
        """Store the results of a batch; return what ends the run, if anything does."""
        results, state, is_gone = self._download(batch, state)
        failure: LLMError | None = None
        outcomes: dict[int, Outcome] = {}
        if state.status == "failed" and not results:
            forgotten, failure = self._judge_failed(batch, state)
            outcomes = dict.fromkeys(range(batch.n_calls), forgotten)
        else:
            # what an ended batch did not get to is not billed; what was lost on the way may be
            is_unserved = state.status != "completed" and len(results) >= state.n_done and not is_gone
            words = f"sent no result in the batch {batch.id}, which is {state.status}"
            missing = Outcome("failed", Completion(words, None, None), is_billed=not is_unserved)
            for position in range(batch.n_calls):
                result = results.get(position)
                if result is None:
                    outcomes[position] = missing
                    continue
                outcomes[position], error = judge(result, batch, dialect=self.chat.dialect, api=self._api)
                failure = failure or error
        billed = log.finish(batch, outcomes, status=state.status, refused=self.chat.dialect.refused)
        count_costs(billed, self.ledger.prices, self._meter)
        return failure

    def _download(self, batch: Batch, state: BatchState) -> tuple[dict[int, Result], BatchState, bool]:
        """Return the results of a batch, its state then, and whether the endpoint has lost them.

        Files may come some seconds after the batch has ended, or be cut on the way.
        """
        wait = self.first_wait
        for n in range(1, _MAX_DOWNLOADS + 1):
            contents = [self._api.download(file, batch.n_calls) for file in state.files]
            results = read_results((c for c in contents if c is not None), batch.mark, batch.n_calls)
            is_gone = None in contents
            n_due = batch.n_calls if state.status == "completed" else min(state.n_done, batch.n_calls)
            if len(results) >= n_due or is_gone or n == _MAX_DOWNLOADS:
                break
            time.sleep(wait)
            wait *= _GROWTH
            state = self._api.retrieve(batch.id)
        if len(results) < n_due:
            _log.warning(
                "%s: %s of the batch %s are missing, which are asked for again",
                self.address,
                plural(n_due - len(results), "result"),
                batch.id,
            )
        return results, state, is_gone

    def _judge_failed(self, batch: Batch, state: BatchState) -> tuple[Outcome, LLMError | None]:
        """Return what becomes of each call of a batch that failed as a whole, and what ends the run, if anything does."""
        self._n_failed += 1
        verdict = judge_failed(state, self._n_failed)
        if verdict == "full":
            self._n_failed -= 1
            self._n_halved += 1
        is_fatal = verdict == "fatal" or self._n_halved > _MAX_HALVINGS
        failure = LLMError(
            f"{self.address} refuses the batch (model '{self.chat.model}'): {state.problem or 'it gives no reason'}. "
            "Run the same command later, or without --batch."
        )
        answer = Completion(f"fails the batch: {state.problem}", None, None)
        forgotten = Outcome("failed" if verdict == "passing" else None, answer, is_billed=False)
        return forgotten, failure if is_fatal else None


def _named(ids: Sequence[str]) -> str:
    return ", ".join(ids) if len(ids) <= 3 else plural(len(ids), "batch", "batches")
