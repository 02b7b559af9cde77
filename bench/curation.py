"""The uses of instruction embeddings: retrieval, correlation, contamination and selection.

    python bench/curation.py [--only retrieval|correlation|contamination|selection] [--quick]

Needs the shared data (GOALSPACE_DATA, else ../shared/data); writes bench/results/curation-*.json. Vectors are kept in
bench/.cache. An encoder that is not there leaves its rows out.
"""

from __future__ import annotations

import random
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import click
import numpy as np
from rich.console import Console

from _data import DATA, VECTORS, read_lines, read_objects
from _ieb_rows import Row, rows
from _tables import Table, save
from goalspace.curation.contamination import contamination
from goalspace.curation.correlation import Correlation, correlate
from goalspace.curation.demonstrations import Demonstrations
from goalspace.curation.tasklabels import label_tasks
from goalspace.encoders.cache import cached
from goalspace.errors import GoalspaceError
from goalspace.estimate import Estimate
from goalspace.instructions.dataset import Instructions

K = 4
ENCODERS = ("TF-IDF + SVD 300", "MiniLM", "verb–noun label, MiniLM", "task")
SETS = {
    "gsm8k_test": "math",
    "mbpp": "code",
    "humaneval": "code",
    "gpteacher_codegen": "code",
    "lima": "general",
    "alpaca_5000": "general",
    "gpteacher_roleplay": "roleplay",
    "self_instruct_seed_tasks": "general",
    "t0_train_sample": "general",
}
N_ROWS, N_QUICK = 2000, 300  # rows of a set that are read
BUDGET = 600
PLANTED = 40  # copies of each kind
REWORDED = "reworded.jsonl"
log = Console(stderr=True, log_path=False)


# --- retrieval -------------------------------------------------------------------------------------


def retrieval(quick: bool) -> list[Table]:
    """Demonstrations of the same task, leave-one-out, by the labels of ift_test."""
    data = read_lines("ieb/ift_test.jsonl")[: N_QUICK if quick else None]
    texts, labels = [row["instruction"] for row in data], [row["label"] for row in data]
    sizes = Counter(labels)
    asked = [i for i, label in enumerate(labels) if sizes[label] > 1]
    most = float(np.mean([min(sizes[labels[i]] - 1, K) / K for i in asked]))
    table = Table(
        f"Retrieval: {len(asked)} of {len(texts)} instructions of ift_test that share their label",
        ("precision@1", "precision@4", "of reachable", "note"),
        f"leave-one-out; the largest precision@4 that the labels allow is {most:.3f}; mean ± s.e. over queries",
    )
    for row in _encoders(texts):
        try:
            index = Demonstrations.build(texts, encoder=row.make(texts))
            found = index.retrieve([texts[i] for i in asked], K + 1)
        except GoalspaceError as error:
            table.add(row.name, note=str(error)[:40])
            continue
        same = np.array(
            [
                [labels[hit.index] == labels[i] for hit in hits if hit.index != i][:K]
                for i, hits in zip(asked, found, strict=True)
            ]
        )
        reachable = np.array([min(sizes[labels[i]] - 1, K) for i in asked])
        cells = (same[:, 0], same.mean(axis=1), same.sum(axis=1) / reachable)
        first, precision, share = (Estimate.of(values) for values in cells)
        table.add(row.name, **{"precision@1": first, "precision@4": precision}, of_reachable=share)
    _aim_best(table, "task", "precision@4")
    return [table]


def _encoders(texts: Sequence[str]) -> list[Row]:
    return [row for row in rows() if row.name in ENCODERS]


def _aim_best(table: Table, name: str, column: str) -> None:
    """Let a row aim at the best of the others."""
    others = [row[column] for row in table.rows if row["row"] != name and row.get(column) is not None]
    if others and any(row["row"] == name and row.get(column) is not None for row in table.rows):
        table.aim(name, **{column: max(cell.mean for cell in others if isinstance(cell, Estimate))})


# --- correlation -----------------------------------------------------------------------------------


def correlation(quick: bool) -> list[Table]:
    """Which sets are alike, by every measure and encoder."""
    texts = {name: _texts(name, quick) for name in SETS}
    labels = _labels(texts)
    tables = []
    for row in _encoders([]):
        if row.name not in ("MiniLM", "task"):
            continue
        try:
            found = correlate(texts, encoder=row.make([]), labels=labels)
        except GoalspaceError as error:
            log.log(f"{row.name}: {error}")
            continue
        tables += [_matrix(found, row.name), _nearest(found, row.name)]
    return tables


def _matrix(found: Correlation, encoder: str) -> Table:
    table = Table(f"Correlation, {encoder}: cosine", [str(i + 1) for i in range(len(found.names))])
    for number, i in enumerate(found.order):
        cells = {str(n + 1): float(found.cosine[i, j]) for n, j in enumerate(found.order)}
        table.add(f"{number + 1} {found.names[i]}", **cells)
    return table


def _nearest(found: Correlation, encoder: str) -> Table:
    """The nearest other set by every measure, and how many code sets have a code set there."""
    measures = {"cosine": found.cosine, "Wasserstein": -found.wasserstein, "task labels": found.overlap}
    table = Table(
        f"Correlation, {encoder}: the most alike other set",
        tuple(measures),
        f"up to {N_ROWS} rows of each set; ties go to the first",
    )
    nearest = {}
    for measure, matrix in measures.items():
        assert matrix is not None
        others = np.where(np.eye(len(matrix), dtype=bool), -np.inf, matrix)
        nearest[measure] = [found.names[j] for j in others.argmax(axis=1)]
    for i, name in enumerate(found.names):
        table.add(name, **{measure: names[i] for measure, names in nearest.items()})
    code = [i for i, name in enumerate(found.names) if SETS[name] == "code"]
    near = {measure: sum(SETS[names[i]] == "code" for i in code) for measure, names in nearest.items()}
    table.add(f"code sets nearest to code, of {len(code)}", **near)
    table.aim(f"code sets nearest to code, of {len(code)}", cosine=len(code), Wasserstein=len(code))
    return table


def _texts(name: str, quick: bool) -> tuple[str, ...]:
    texts = Instructions.read(DATA / "instructions" / f"{name}.jsonl").texts
    rows = np.random.default_rng(0).permutation(len(texts))[: N_QUICK if quick else N_ROWS]
    return tuple(texts[i] for i in np.sort(rows))


def _labels(texts: dict[str, tuple[str, ...]]) -> dict[str, Sequence[str]]:
    with log.status("labels"):
        every = iter(label_tasks([text for some in texts.values() for text in some]).labels)
    return {name: [next(every) for _ in some] for name, some in texts.items()}


# --- contamination ---------------------------------------------------------------------------------


def contamination_table(quick: bool) -> list[Table]:
    """Planted copies of test rows that are found, and rows of other sets that are flagged."""
    others = [
        text for name in ("lima", "gpteacher_roleplay", "gpteacher_codegen") for text in _texts(name, quick)
    ]
    table = Table(
        f"Contamination: share of planted copies that is found, of {PLANTED} of a kind, among {len(others)} rows",
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
        leaks = contamination(train, test, encoder=cached("minilm", VECTORS))
        seconds = time.perf_counter() - start
        pairs = {(leak.train, leak.test) for leak in leaks}
        kinds = Counter(kind for kind, *_ in planted)
        found = Counter(kind for i, (kind, row, _) in enumerate(planted) if (i, row) in pairs)
        flagged = len({i for i, _ in pairs if i >= len(planted)})
        shares = {kind: found[kind] / n for kind, n in kinds.items()}
        table.add(name, **shares, flagged=flagged, seconds=seconds)
    return [table]


def _reworded() -> list[dict[str, str]]:
    return read_objects(Path(__file__).parent / "data" / REWORDED)


def _noise(text: str, rng: random.Random) -> str:
    """Drop one word in twelve, and swap letters of as many."""
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
    """Return (kind, test row, changed text), with `PLANTED` of every kind that the texts allow."""
    rng = random.Random(0)
    planted = []
    for kind, change in _KINDS.items():
        able = [i for i, text in enumerate(test) if kind != "other numbers" or re.search(r"\d", text)]
        chosen = rng.sample(able, min(PLANTED, len(able)))
        planted += [(kind, i, change(test[i], rng, others)) for i in chosen]
    return planted


# --- selection -------------------------------------------------------------------------------------


def selection(quick: bool) -> list[Table]:
    """Tasks that a selection covers, beside random rows."""
    from goalspace.curation.selection import METHODS, select

    texts = Instructions.read(DATA / "instructions" / "alpaca_5000.jsonl").texts[: N_QUICK if quick else None]
    budget = BUDGET if not quick else 60
    labels = label_tasks(texts).labels
    table = Table(
        f"Selection: {budget} of {len(texts)} rows of alpaca_5000 with {len(set(labels))} task labels",
        ("labels covered", "times random", "distance", "seconds", "note"),
        "random: mean ± s.e. of 5 seeds; distance: mean of 1 − cosine with the nearest chosen row",
    )
    for row in _encoders(texts):
        if row.name not in ("MiniLM", "task"):
            continue
        try:
            vectors = row.make(texts).encode(list(texts))
        except GoalspaceError as error:
            log.log(f"{row.name}: {error}")
            continue
        for method in METHODS:
            for by_task in (False, True):
                name = f"{row.name}, {method}{', by task' if by_task else ''}"
                start = time.perf_counter()
                found = select(vectors, budget, method=method, labels=labels if by_task else None)
                seconds = time.perf_counter() - start
                covered = len({labels[i] for i in found.rows})
                draws = [np.random.default_rng(seed).choice(len(texts), budget, False) for seed in range(5)]
                random_rows = Estimate.of([len({labels[i] for i in draw}) for draw in draws])
                table.add(
                    name,
                    labels_covered=covered,
                    times_random=covered / random_rows.mean,
                    distance=found.coverage.distance,
                    seconds=seconds,
                )
                if by_task and not quick:
                    table.aim(name, times_random=1.5)
        table.add(f"{row.name}, random", labels_covered=random_rows, distance=found.coverage.distance_random)
    return [table]


TABLES: dict[str, Callable[[bool], list[Table]]] = {
    "retrieval": retrieval,
    "correlation": correlation,
    "contamination": contamination_table,
    "selection": selection,
}


@click.command()
@click.option("--only", type=click.Choice(list(TABLES)), help="Run one of them.")
@click.option("--quick", is_flag=True, help="300 rows per set: does it run?")
def main(only: str | None, quick: bool) -> None:
    """Print the tables of the uses and write them to bench/results/."""
    console = Console() if sys.stdout.isatty() else Console(width=150)
    missed: list[str] = []
    for name, make in TABLES.items():
        if only not in (None, name):
            continue
        tables = make(quick)
        for table in tables:
            table.show(console)
            missed += table.missed()
        settings = {"k": K, "rows": N_QUICK if quick else N_ROWS, "quick": quick}
        packages = ("numpy", "scikit-learn", "scipy", "usearch")
        path = save(
            f"curation-{name}{'-quick' if quick else ''}", tables, settings=settings, packages=packages
        )
        log.log(f"wrote {path}")
    if missed:
        console.print("[red]below target:[/]", *missed, sep="\n  ")


if __name__ == "__main__":
    main()
