"""The data sets with their labels and goals, and the MiniLM vectors that all methods share."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.kit.paths import CACHE, DATA, ROOT
from goalspace.corpus import Corpus
from goalspace.encoders.cache import cached
from goalspace.evaluation.episodes import GOAL
from goalspace.evaluation.neighbours import NextAction, Recommendation
from goalspace.evaluation.tasks import open_next_action, open_recommendation
from goalspace.files import digest, write_atomic


@dataclass(frozen=True)
class Dataset:
    """Texts with ids, named gold labels, goals, and recorded proposals if there are any.

    `recorded` maps the name of a goal to the `llm` argument that replays them: ``recorded:FILE`` or ``recorded:FILE#FIELD``.
    """

    name: str
    ids: tuple[str, ...]
    texts: tuple[str, ...]
    labels: Mapping[str, np.ndarray]
    goals: Mapping[str, str]
    recorded: Mapping[str, str]

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: np.ndarray) -> Dataset:
        """Return a data set of these rows only, in this order."""
        return Dataset(
            self.name,
            tuple(self.ids[i] for i in rows),
            tuple(self.texts[i] for i in rows),
            {name: labels[rows] for name, labels in self.labels.items()},
            self.goals,
            self.recorded,
        )

    def sample(self, n: int) -> Dataset:
        """Return n random rows in file order; the sample is always the same."""
        rows = np.random.default_rng(0).permutation(len(self))[:n]
        return self.take(np.sort(rows))

    def rows_in(self, corpus: Corpus) -> np.ndarray:
        """Return the corpus index of every row (n,); a duplicate has the index of its first occurrence."""
        index_of = {
            folded: i for i, id in enumerate(corpus.ids) for folded in (id, *corpus.duplicates.get(id, ()))
        }
        return np.array([index_of[id] for id in self.ids])

    def write(self) -> Path:
        """Write ids and texts as JSON lines to bench/.cache, unless that file exists, and return its path."""
        path = CACHE / f"{self.name}-{digest(list(self.ids), list(self.texts))[:16]}.jsonl"
        if not path.exists():
            pairs = zip(self.ids, self.texts, strict=True)
            lines = (json.dumps({"id": i, "text": t}, ensure_ascii=False) + "\n" for i, t in pairs)
            write_atomic(path, "".join(lines))
        return path


def bills() -> Dataset:
    """1,000 bills of the US Congress: 21 topics, 101 subtopics."""
    return _dataset(
        "bills",
        read_lines("bills/bills.jsonl"),
        text="summary",
        id="id",
        labels=("topic", "subtopic"),
        goals={"topic": "discover which areas of legislation these bills cover"},
        recorded={"topic": f"recorded:{DATA / 'proposals/bills.jsonl'}"},
    )


def syngoalex() -> Dataset:
    """1,024 texts: topic × style × language, four values each, fully crossed."""
    goals = json.loads((DATA / "syngoalex/goals.json").read_text(encoding="utf-8"))
    proposals = DATA / "proposals/syngoalex.jsonl"
    return _dataset(
        "syngoalex",
        read_lines("syngoalex/syngoalex.jsonl"),
        text="text",
        labels=tuple(goals),
        goals=goals,
        recorded={axis: f"recorded:{proposals}#{axis}" for axis in goals},
    )


def banking77() -> Dataset:
    """The test split: 3,080 questions to a bank, 40 for each of 77 intents."""
    rows = [row for row in read_lines("intents/banking77.jsonl") if row["split"] == "test"]
    goals = {"intent": "find out what the customer wants to know or do"}
    return _dataset("banking77", rows, text="text", labels=("intent",), goals=goals)


def cfpb() -> Dataset:
    """1,160 complaints about 11 financial products."""
    rows = read_lines("cfpb/cfpb_product_labelled.jsonl")
    goals = {"product": "find out which financial product the complaint is about"}
    return _dataset("cfpb", rows, text="text", id="complaint_id", labels=("product",), goals=goals)


def sgd() -> Dataset:
    """1,494 turns of dialogues with an assistant: 10 domains, 10 acts and 2 speakers, nearly crossed."""
    rows = read_lines("goals/sgd_turns.jsonl")
    return _dataset("sgd", rows, text="text", id="id", labels=("act", "domain", "speaker"), goals={})


def casino() -> Dataset:
    """1,189 utterances of campers who negotiate over supplies: 10 strategies."""
    rows = read_lines("goals/casino_strategies.jsonl")
    return _dataset("casino", rows, text="text", id="id", labels=("strategy",), goals={})


def emotions() -> Dataset:
    """1,358 comments in forums: 7 emotions, one of them none."""
    rows = read_lines("goals/emotions.jsonl")
    return _dataset("emotions", rows, text="text", id="id", labels=("emotion",), goals={})


def helpdesk() -> Dataset:
    """The example: 401 messages to a help desk about 5 products."""
    with (ROOT / "examples" / "helpdesk.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return _dataset("helpdesk", rows, text="message", id="ticket_id", labels=("product",), goals={})


def inspired(sample: int | None = None) -> tuple[Dataset, Recommendation]:
    """The distinct training dialogues of Inspired, or the first `sample`, and the task of predicting the next movie."""
    task = open_recommendation(DATA / "inspired")
    if sample is not None:
        task = replace(task, train=task.train[:sample], items=task.items[:sample], rows=task.rows[:sample])
    ids: dict[str, str] = {}
    for row in task.rows:
        ids.setdefault(row["text"], row["id"])  # proposals were recorded for first occurrences
    data = Dataset(
        "inspired",
        tuple(ids.values()),
        tuple(ids),
        {},
        {"movie": "discover which factors decide what movie should be recommended or discussed next"},
        {"movie": f"recorded:{DATA / 'proposals/inspired.jsonl'}"},
    )
    return data, task


def alfworld(n_episodes: int) -> tuple[Dataset, NextAction]:
    """The distinct states in training episodes of ALFWorld with rule-based facts, and the task of predicting the next action."""
    task = open_next_action(DATA / "alfworld/expert_trajectories_train.jsonl", sample=n_episodes)
    facts = {row["text"]: row["facts"] for row in task.rows}
    ids = tuple(str(i) for i in range(len(facts)))
    recorded = CACHE / f"alfworld-facts-{n_episodes}.jsonl"
    lines = [
        json.dumps({"id": id, "properties": properties}) + "\n"
        for id, properties in zip(ids, facts.values(), strict=True)
    ]
    write_atomic(recorded, "".join(lines))
    data = Dataset("alfworld", ids, tuple(facts), {}, {"action": GOAL}, {"action": f"recorded:{recorded}"})
    return data, task


def read_lines(name: str) -> list[dict[str, Any]]:
    """Read a JSON-lines file of the shared data."""
    return read_objects(DATA / name)


def read_objects(path: Path) -> list[dict[str, Any]]:
    """Read a JSON-lines file."""
    with path.open(encoding="utf-8") as lines:  # not splitlines: a string may hold U+2028
        return [json.loads(line) for line in lines]


def read_proposals(recorded: str, ids: Sequence[str]) -> list[list[str]]:
    """Return the recorded properties of these texts, for methods other than goalspace."""
    path, _, field = recorded.removeprefix("recorded:").partition("#")
    properties = {str(row["id"]): row[field or "properties"] for row in read_objects(Path(path))}
    return [properties[id] for id in ids]


def embed(texts: Sequence[str]) -> np.ndarray:
    """Return the MiniLM unit vectors (n_texts, 384) float32 of the texts, cached in bench/.cache."""
    return cached("minilm", CACHE).encode(list(texts))


def _dataset(
    name: str,
    rows: Sequence[Mapping[str, Any]],
    *,
    text: str,
    labels: Sequence[str],
    goals: Mapping[str, str],
    id: str | None = None,
    recorded: Mapping[str, str] | None = None,
) -> Dataset:
    return Dataset(
        name,
        tuple(str(row[id]) if id else str(i) for i, row in enumerate(rows)),
        tuple(str(row[text]) for row in rows),
        {label: np.array([str(row[label]) for row in rows]) for label in labels},
        goals,
        recorded or {},
    )
