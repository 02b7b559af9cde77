"""Random schedules of paid calls against a real server that counts what it bills: shared by tests and bench.calls.cap."""

from __future__ import annotations

import json
import math
import multiprocessing
import random
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from goalspace.errors import InputError, LLMError
from goalspace.llm import attempts
from goalspace.llm.cache import CachedLLM
from goalspace.llm.chat import ChatLLM
from goalspace.llm.endpoint import connect, find_endpoint
from goalspace.llm.limits import Limits
from goalspace.llm.pricing import Prices
from goalspace.llm.protocol import stream
from goalspace.llm.spending import Ledger
from llm_server import RESET, Answer, LLMServer, completion, failure, prompt_of

NANO = 1_000_000_000
# model, and where its price is known: a file, a package with tiers, a package, nowhere
MODELS = {
    "file": ("model", ""),
    "tiers": ("gemini-2.5-pro", "https://generativelanguage.googleapis.com/v1beta/openai"),
    "package": ("gpt-4o-mini", "https://api.openai.com/v1"),
    "unknown": ("no-such-model", "https://api.openai.com/v1"),
}
_TIER = 210_000  # bytes of a prompt whose price may be that of the second tier
_RATES = {"model": {"input": 1.0, "output": 5.0, "cached": 0.25}}
_FAULTS = (
    "uncounted",
    "thinks",
    "cached",
    "cut",
    "html",
    "reset",
    "late",
    "429",
    "500",
    "504",
    "param",
    "empty",
)
STARTS = ("whole", "whole", "cancelled", "killed", "two")


@dataclass(frozen=True)
class Schedule:
    """What happens: starts on one folder, one after the other, each with a cap that may differ."""

    seed: int
    price: str
    concurrency: int
    n_prompts: int
    max_tokens: int
    starts: tuple[str, ...]
    share: float  # of the largest cost of one attempt of all prompts that the cap allows
    caps: tuple[str, ...]  # "budget", "tokens"
    faults: tuple[str, ...]  # what answers may be, besides good ones


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    """Draw a schedule."""
    price = draw(st.sampled_from(["file", "file", "package", "tiers", "unknown"]))
    caps = draw(st.sampled_from([("budget",), ("tokens",), ("budget", "tokens")]))
    return Schedule(
        seed=draw(st.integers(0, 2**32)),
        price=price,
        concurrency=draw(st.one_of(st.sampled_from([1, 8, 32]), st.integers(1, 32))),
        n_prompts=draw(st.integers(1, 4) if price == "tiers" else st.sampled_from([8, 20, 40])),
        max_tokens=draw(st.sampled_from([1, 16, 128, 512, 4000])),
        starts=tuple(draw(st.lists(st.sampled_from(STARTS), min_size=1, max_size=3))),
        share=draw(st.sampled_from([0.05, 0.15, 0.3, 0.5, 0.8, 1.5])),
        caps=caps,
        # one kind alone, so that others that leave the largest cost set aside do not make up for it
        faults=draw(st.sampled_from([_FAULTS, _FAULTS, *((fault,) for fault in _FAULTS)])),
    )


@dataclass
class Meter:
    """Answers with random faults and usages, and counts what it bills, also for replies that never arrive."""

    seed: int
    prices: Prices
    faults: tuple[str, ...]
    lock: threading.Lock = field(default_factory=threading.Lock)
    nano: int = 0
    tokens: int = 0
    n_requests: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def __call__(self, body: dict[str, Any]) -> Answer:
        with self.lock:
            self.n_requests += 1
            kind = "ok" if self.random.random() < 0.4 else self.random.choice(self.faults)
            if kind in ("429", "500"):
                return failure(int(kind), "later", retry_after=0.005)
            if kind == "param" and "seed" in body:
                return failure(400, "Unsupported parameter: 'seed'.", param="seed")
            prompt = self.random.randint(0, len(prompt_of(body).encode()))
            reply = self.random.randint(0, body["max_tokens"])
            cached = self.random.randint(0, prompt) if kind == "cached" else 0
            self.nano += math.ceil((self.prices.cost(prompt, reply, cached) or 0.0) * NANO)
            self.tokens += prompt + reply
            time.sleep(self.random.choice((0, 0, 0.002)))
        return self._answer(kind, prompt, reply, cached)

    @staticmethod
    def _answer(kind: str, prompt: int, reply: int, cached: int) -> Answer:
        answer = completion("" if kind == "empty" else "fine")
        answer["usage"] = usage = {"prompt_tokens": prompt, "completion_tokens": reply}
        if kind == "uncounted":
            answer["usage"] = None
        elif kind == "thinks":  # billed beside the reply, and shown in the total only
            usage |= {"completion_tokens": reply // 3, "total_tokens": prompt + reply}
            usage["completion_tokens_details"] = {"reasoning_tokens": reply - reply // 3}  # type: ignore[assignment]
            if not prompt:
                usage["completion_tokens"] = reply
        elif kind == "cached":
            usage["prompt_tokens_details"] = {"cached_tokens": cached}  # type: ignore[assignment]
        elif kind == "cut":
            answer["choices"][0]["finish_reason"] = "length"
        elif kind == "html":
            return Answer(200, b"<html>gateway</html>")
        elif kind == "504":
            return failure(504, "gateway timeout", retry_after=0.005)
        elif kind == "reset":
            return RESET
        return Answer(200, answer, pause=9 if kind == "late" else 0, hangs=kind == "late")


@contextmanager
def short_waits() -> Iterator[None]:
    """Let attempts follow each other within milliseconds."""
    before = attempts._FIRST_WAIT, attempts._LONGEST_WAIT
    attempts._FIRST_WAIT, attempts._LONGEST_WAIT = 0.002, 0.01
    try:
        yield
    finally:
        attempts._FIRST_WAIT, attempts._LONGEST_WAIT = before


@dataclass(frozen=True)
class _Start:
    """One start of a run, in this process or another."""

    spec: str
    path: Path
    model: str
    address: str
    limits: Limits
    prompts: tuple[str, ...]
    max_tokens: int
    stops_after: int | None = None

    def __call__(self) -> None:
        endpoint = find_endpoint(self.spec)
        ledger = Ledger(self.path, self.limits, Prices(self.model, self.address, self.limits.prices))
        llm = ChatLLM(
            endpoint.name, endpoint.model, partial(connect, endpoint), limits=self.limits, ledger=ledger
        )
        with short_waits(), suppress(LLMError):  # at the cap, or out of patience
            replies = stream(CachedLLM(llm, self.path), self.prompts, max_tokens=self.max_tokens)
            with closing(replies):  # type: ignore[type-var]
                for n, _ in enumerate(replies):
                    if n == self.stops_after:
                        break


@dataclass(frozen=True)
class Outcome:
    """What the server billed, what the ledger holds, and what is allowed; None for no cap."""

    billed_nano: int
    billed_tokens: int
    ledger_nano: int
    ledger_tokens: int
    cap_nano: int | None
    cap_tokens: int | None
    n_requests: int
    refused: bool = False

    @property
    def holds(self) -> bool:
        """Whether nothing is above the cap, and the ledger is not below what was billed."""
        return self.billed_nano <= self.ledger_nano <= (
            math.inf if self.cap_nano is None else self.cap_nano
        ) and self.billed_tokens <= self.ledger_tokens <= (
            math.inf if self.cap_tokens is None else self.cap_tokens
        )


def run_schedule(schedule: Schedule, folder: Path) -> Outcome:
    """Run a schedule in an empty folder."""
    model, address = MODELS[schedule.price]
    path = folder / "prices.json"
    path.write_text(json.dumps(_RATES), encoding="utf-8")
    prices = Prices(model, address, path)
    rng = random.Random(schedule.seed)
    sizes = [
        _TIER if schedule.price == "tiers" and rng.random() < 0.5 else rng.randint(1, 400)
        for _ in range(schedule.n_prompts)
    ]
    prompts = tuple(f"{n} ".ljust(size, "x") for n, size in enumerate(sizes))
    limits, refused = _limits(schedule, prices, sum(sizes))
    meter = Meter(schedule.seed, prices, schedule.faults)
    with LLMServer(meter) as server:
        log = folder / "llm.sqlite"
        start = partial(_Start, server.spec, log, model, address, limits, prompts, schedule.max_tokens)
        for kind in schedule.starts:
            _run_start(kind, start, rng)
        # what is in flight of a process that was killed is billed, too
        server.released.set()
        time.sleep(0.005)
        with closing(Ledger(log, limits, prices)) as ledger:
            usd, tokens = ledger.spent()
    with meter.lock:
        return Outcome(
            meter.nano,
            meter.tokens,
            round(usd * NANO),
            tokens,
            None if limits.budget is None else int(limits.budget * NANO),
            limits.max_tokens_total,
            meter.n_requests,
            refused,
        )


def _limits(schedule: Schedule, prices: Prices, n_bytes: int) -> tuple[Limits, bool]:
    """Return the limits, and whether a budget was refused because the price is not known."""
    n_tokens = n_bytes + schedule.n_prompts * (100 + schedule.max_tokens)
    tokens = max(1, int(schedule.share * n_tokens))
    cost = prices.cost(n_bytes, schedule.n_prompts * schedule.max_tokens)
    limits: dict[str, Any] = {
        "concurrency": schedule.concurrency,
        "deadline": 0.3,
        "patience": 2,
        "prices": prices.path,
    }
    if "tokens" in schedule.caps or cost is None:
        limits["max_tokens_total"] = tokens
    if "budget" in schedule.caps and cost is not None:
        limits["budget"] = max(1e-7, schedule.share * cost)
    if "budget" in schedule.caps and cost is None:
        with suppress(InputError):
            Ledger(Path("none"), Limits(budget=1.0), prices)
            raise AssertionError("a budget without a price was accepted")
        return Limits(**limits), True
    return Limits(**limits), False


def _run_start(kind: str, start: Any, rng: random.Random) -> None:
    if kind == "whole":
        start()()
    elif kind == "cancelled":
        start(stops_after=rng.randint(0, 10))()
    else:
        context = multiprocessing.get_context("forkserver")
        others = [context.Process(target=start()) for _ in range(1 if kind == "killed" else 2)]
        for other in others:
            other.start()
        if kind == "killed":
            time.sleep(rng.random() * 0.15)
            others[0].kill()
        for other in others:
            other.join()


def preload() -> None:
    """Let processes start fast: they are forked from one that has imported what they need."""
    multiprocessing.get_context("forkserver").set_forkserver_preload(["schedules", "openai", "genai_prices"])
