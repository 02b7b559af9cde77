"""Contamination: copies of test rows among training rows."""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence

from bench.kit.datasets import read_objects
from bench.kit.paths import CACHE, DATA, OWN_DATA
from bench.kit.tables import Table
from bench.uses.instruction_sets import read_sample
from goalspace.curation.contamination import contamination
from goalspace.encoders.cache import cached
from goalspace.instructions.dataset import Instructions

N_PLANTED = 40  # copies of each kind


def measure_contamination(quick: bool) -> list[Table]:
    """Count the planted copies of test rows that are found, and the rows of other sets that are flagged."""
    others = [
        text
        for name in ("lima", "gpteacher_roleplay", "gpteacher_codegen")
        for text in read_sample(name, quick)
    ]
    table = Table(
        f"Contamination: share of planted copies found, {N_PLANTED} of each kind, among {len(others)} rows",
        (*_KINDS, "reworded by hand", "flagged", "seconds"),
        "flagged: rows of lima, gpteacher_roleplay and gpteacher_codegen; most of those for mbpp are the same exercise",
    )
    for name in ("gsm8k_test", "mbpp"):
        test = Instructions.read(DATA / "instructions" / f"{name}.jsonl").texts
        planted = _plant(test, others)
        hand = [row for row in _reworded() if row["set"] == name]
        planted += [("reworded by hand", int(row["row"]), row["text"]) for row in hand]
        start = time.perf_counter()
        train = [text for *_, text in planted] + others
        leaks = contamination(train, test, encoder=cached("minilm", CACHE))
        seconds = time.perf_counter() - start
        pairs = {(leak.train, leak.test) for leak in leaks}
        kinds = Counter(kind for kind, *_ in planted)
        found = Counter(kind for i, (kind, row, _) in enumerate(planted) if (i, row) in pairs)
        flagged = len({i for i, _ in pairs if i >= len(planted)})
        shares = {kind: found[kind] / n for kind, n in kinds.items()}
        table.add(name, **shares, flagged=flagged, seconds=seconds)
    return [table]


def _reworded() -> list[dict[str, str]]:
    return read_objects(OWN_DATA / "reworded.jsonl")


def _noise(text: str, rng: random.Random) -> str:
    """Drop one word in twelve and swap two letters in as many."""
    words = []
    for word in text.split():
        draw = rng.random()
        if 1 / 12 < draw < 1 / 6 and len(word) > 3:
            at = rng.randrange(len(word) - 1)
            word = f"{word[:at]}{word[at + 1]}{word[at]}{word[at + 2 :]}"
        if draw > 1 / 12:
            words.append(word)
    return " ".join(words) or text


_WRAPS = (
    "You are a helpful assistant. Read the task below and answer in full sentences.\n\n{}\n\nThink step by step.",
    "### Instruction:\n{}\n\n### Response:",
    "Hi! I have a question for you today. {} Thanks a lot in advance for any help.",
)
_KINDS: dict[str, Callable[[str, random.Random, Sequence[str]], str]] = {
    "no punctuation": lambda text, rng, _: re.sub(r"[^\w\s]", "", text).lower(),
    "typos, lost words": lambda text, rng, _: _noise(text, rng),
    "other numbers": lambda text, rng, _: re.sub(
        r"\d+", lambda n: str(int(n[0]) + rng.randrange(1, 9)), text
    ),
    "in a template": lambda text, rng, _: rng.choice(_WRAPS).format(text),
    "in a long text": lambda text, rng, others: "\n\n".join(
        [*rng.sample(others, 2), text, rng.choice(others)]
    ),
}


def _plant(test: Sequence[str], others: Sequence[str]) -> list[tuple[str, int, str]]:
    """Return (kind, test row, changed text), `N_PLANTED` of every kind if enough texts allow it."""
    rng = random.Random(0)
    planted = []
    for kind, change in _KINDS.items():
        eligible = [i for i, text in enumerate(test) if kind != "other numbers" or re.search(r"\d", text)]
        chosen = rng.sample(eligible, min(N_PLANTED, len(eligible)))
        planted += [(kind, i, change(test[i], rng, others)) for i in chosen]
    return planted
