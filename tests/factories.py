"""Small, realistic runs whose factors are planted, and tiny models."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from goalspace.corpus import Corpus
from goalspace.encoders.registry import get_encoder
from goalspace.explorer.editor import Editor
from goalspace.factors import Factors, scoring
from goalspace.factors.evidence import Evidence
from goalspace.factors.hierarchy import Layer
from goalspace.factors.typicality import distinguish, of_own_factor
from goalspace.files import digest
from goalspace.language.sentences import sentence_spans
from goalspace.links import Links
from goalspace.links.towers import TextTower
from goalspace.proposals import Proposals
from goalspace.run.folder import Run
from goalspace.run.record import new_record, stage_entry, write_record
from goalspace.text import to_line

TOPICS = (
    (
        "Late delivery",
        "The parcel arrived {n} days late and nobody told me.",
        ("delivery is late", "no tracking update"),
    ),
    (
        "Battery wear",
        "After {n} weeks the battery dies before noon.",
        ("battery drains fast", "device gets hot"),
    ),
    (
        "Refund missing",
        "I still wait for my refund, {n} days after the return.",
        ("refund not paid", "return not booked"),
    ),
    ("Rude support", "Your agent number {n} hung up on me.", ("agent was rude", "call was cut")),
)
COURSES = ("Rising", "Falling", "Bursting", "Steady", "Also steady")
MONTHS = ("2024-01", "2024-02", "2024-04", "2024-05")  # March has no texts


def make_corpus(texts: Sequence[str], metadata: Mapping[str, Sequence[Any]] | None = None) -> Corpus:
    """A corpus of the given texts, none of them a duplicate."""
    corpus = Corpus.read(list(texts))
    assert len(corpus) == len(texts)
    return replace(corpus, metadata=dict(metadata or {}))


def make_factors(
    corpus: Corpus,
    dominant: Sequence[int] | np.ndarray,
    names: Sequence[str],
    *,
    properties: Sequence[Sequence[str]] | None = None,
    negative_poles: Mapping[int, str] | None = None,
    n_evidence: int = 3,
    hierarchy: Sequence[Layer] = (),
    seed: int = 0,
) -> Factors:
    """Factors with the given dominant factor per text; links, scores, map and evidence follow from it."""
    rng = np.random.default_rng(seed)
    dominant = np.asarray(dominant, dtype=np.int32)
    negative_poles = negative_poles or {}
    properties = properties or [[f"{name.lower()} – property {i}" for i in range(4)] for name in names]
    assignment = np.repeat(np.arange(len(names), dtype=np.int32), [len(group) for group in properties])
    weights = np.array(
        [
            (-1 if factor in negative_poles and i % 2 else 1) * (0.9 - 0.07 * i)
            for factor, group in enumerate(properties)
            for i in range(len(group))
        ],
        dtype=np.float32,
    )
    links = _plant_links(dominant, assignment, weights, len(names), rng)
    vectors, prototypes = links.text_vectors, np.eye(len(names), links.dim, dtype=np.float32)
    centre = np.zeros(links.dim, dtype=np.float32)
    np.testing.assert_array_equal(
        scoring.assign_texts(vectors, prototypes, np.arange(len(names)), centre), dominant
    )
    directions, _ = scoring.correlate(scoring.covariance_of(vectors), prototypes, links.property_vectors)
    offset = directions @ vectors.mean(axis=0)
    scores = scoring.score_texts(vectors, directions, offset)
    positions = _plant_map(dominant, len(names), rng)
    return Factors(
        names=tuple(names),
        descriptions=tuple(f"Texts that are about {name.lower()}." for name in names),
        poles=tuple((name, negative_poles.get(k)) for k, name in enumerate(names)),
        scores=scores,
        dominant=dominant,
        vocabulary=tuple(name for group in properties for name in group),
        loadings=np.where(assignment == np.arange(len(names))[:, None], weights, np.float32(0)),
        assignment=assignment,
        property_counts=np.bincount(_pairs(dominant, assignment)[1], minlength=len(assignment)),
        typicality=of_own_factor(
            distinguish(vectors, links.property_vectors, dominant, len(names)), assignment
        ),
        strength=np.linspace(6, 1, len(names)),
        tc_curve=tuple((n, 10 - 20 / (n + 1) - 0.15 * n) for n in sorted({1, 2, 4, 8, 12, 16, len(names)})),
        hierarchy=tuple(hierarchy),
        evidence=tuple(
            _collect_evidence(corpus, scores[:, k], n_evidence, k in negative_poles)
            for k in range(len(names))
        ),
        map=positions,
        factor_map=scoring.centres(positions, dominant, scores),
        directions=directions.astype(np.float32),
        offset=offset.astype(np.float32),
        prototypes=prototypes,
        owners=np.arange(len(names), dtype=np.int32),
        centre=centre,
        links=links,
    )


def _plant_links(
    dominant: np.ndarray,
    assignment: np.ndarray,
    weights: np.ndarray,
    n_factors: int,
    rng: np.random.Generator,
) -> Links:
    """One axis per factor, and one that no factor has a part in.

    Texts lie near the axis of their factor, those without one on the negative side of all. The cosine of a property
    with the axis of its factor is its weight.
    """
    texts = rng.uniform(-0.4, 0.4, (len(dominant), n_factors + 1))
    described = np.flatnonzero(dominant >= 0)
    others = np.flatnonzero(dominant < 0)
    texts[described, dominant[described]] += 1
    texts[others, :-1] = -np.abs(texts[others, :-1])
    properties = np.zeros((len(assignment), n_factors + 1))
    properties[np.arange(len(assignment)), assignment] = weights
    properties[:, -1] = np.sqrt(1 - weights**2)
    return Links(
        (texts / np.linalg.norm(texts, axis=1, keepdims=True)).astype(np.float32),
        properties.astype(np.float32),
        "full",
        {
            "recall_at_10": 0.41,
            "untrained_recall_at_10": 0.3,
            "auc": 0.9,
            "untrained_auc": 0.8,
            "n_heldout": 200,
        },
        TextTower.untrained(),
        "planted",
    )


def _plant_map(dominant: np.ndarray, n_factors: int, rng: np.random.Generator) -> np.ndarray:
    """The factors on a circle, the texts around theirs, those without one in the middle."""
    angles = 2 * np.pi * np.arange(n_factors) / n_factors
    circle = 0.5 + 0.35 * np.column_stack([np.cos(angles), np.sin(angles)])
    middles = np.where(dominant[:, None] >= 0, circle[dominant], 0.5)
    return (middles + rng.normal(0, 0.04, middles.shape)).clip(0, 1).astype(np.float32)


def _pairs(dominant: np.ndarray, assignment: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Texts and properties of proposals: every text has every second property of its dominant factor."""
    own = {k: np.flatnonzero(assignment == k) for k in np.unique(dominant) if k >= 0}
    found = [(row, i) for row, k in enumerate(dominant) if k >= 0 for i in own[k][row % 2 :: 2]]
    texts, properties = np.array(found, dtype=np.int32).reshape(-1, 2).T
    return texts, properties


def _collect_evidence(
    corpus: Corpus, scores: np.ndarray, n_texts: int, negative: bool
) -> tuple[Evidence, ...]:
    """The first sentences of the texts with the highest scores, and with the lowest if the factor has two poles."""
    chosen = [(i, 1) for i in np.argsort(-scores)[:n_texts]]
    if negative:
        chosen += [(i, -1) for i in np.argsort(scores)[:n_texts]]
    return tuple(
        Evidence(corpus.ids[i], float(scores[i]), *sentence_spans(corpus.texts[i])[0], pole)
        for i, pole in chosen
    )


def make_proposals(corpus: Corpus, factors: Factors) -> Proposals:
    """Proposals that go with the factors, each quoted from the beginning of its text."""
    text_index, property_index = _pairs(factors.dominant, factors.assignment)
    # propose stores no unprintable characters; factors may show some that an analyst typed
    properties = tuple(map(to_line, factors.vocabulary))
    quotes = [corpus.texts[row][:40] for row in text_index]
    return Proposals(
        properties,
        text_index,
        property_index,
        tuple(quotes),
        tuple((name,) for name in properties),
        stats={
            "proposer": "offline",
            "n_properties": len(properties),
            "n_pairs": len(text_index),
            "coverage": len(np.unique(text_index)) / len(corpus),
            "n_quotes": len(quotes),
            "n_quotes_dropped": 7,
            "n_unparsed": 0,
            "n_cut": 2,
        },
    )


def make_run(
    path: Path, corpus: Corpus, factors: Factors, *, goal: str = "what makes customers unhappy"
) -> Run:
    """Save a finished run in the folder and open it."""
    proposals, links = make_proposals(corpus, factors), factors.links
    corpus.save(path / "corpus.parquet")
    proposals.save(path / "proposals.jsonl", corpus)
    links.save(path / "links")
    factors.save(path)
    record = new_record(goal)
    after = None
    for stage, arguments, seconds, result in (
        ("corpus", {"source": "/home/me/mail.csv", "text": "text"}, 0.4, corpus.stats),
        ("propose", {"llm": None, "seed": 0}, 12.0, proposals.stats),
        (
            "link",
            {"tune": "full", "seed": 0},
            4.6,
            {"recipe": links.recipe, "encoder": links.encoder, **links.metrics},
        ),
        (
            "factor",
            {"n_factors": None, "seed": 0},
            1.2,
            {
                "n_factors": factors.dim,
                "tc": float(factors.tc.sum()),
                "n_unassigned": int((factors.assignment < 0).sum()),
                "n_layers": len(factors.hierarchy),
            },
        ),
    ):
        mark = digest(stage, after, dict(result))
        record["stages"][stage] = stage_entry(
            arguments, mark=mark, after=after, started=time.monotonic() - seconds, result=dict(result)
        )
        after = mark
    write_record(path, record)
    return Run.open(path)


def hide_factors(run: Run, *hidden: int) -> Run:
    """Hide some factors, as an analyst does in the explorer."""
    editor = Editor(run, lambda: get_encoder(run.links.encoder))
    for k in hidden:
        run = editor.do({"do": "hide", "factor": k, "hidden": True})
    return run


def helpdesk_run(
    path: Path,
    *,
    n: int = 240,
    seed: int = 0,
    metadata: Mapping[str, Sequence[Any]] | None = None,
    names: Sequence[str] = tuple(topic[0] for topic in TOPICS),
) -> Run:
    """Help-desk messages on four topics, some on none of them.

    By default their metadata are the product, which goes with the second topic, the month, and an identifier.
    """
    rng = np.random.default_rng(seed)
    topic = rng.integers(0, len(TOPICS) + 1, n)
    topic[topic == len(TOPICS)] = -1
    texts = [
        TOPICS[t][1].format(n=i) + " Please help." if t >= 0 else f"Hello, question number {i}."
        for i, t in enumerate(topic)
    ]
    product = np.where(
        (topic == 1) & (rng.random(n) < 0.9), "phone", rng.choice(["desk", "lamp", "phone"], n)
    )
    if metadata is None:
        metadata = {
            "product": product.tolist(),
            "month": rng.choice(MONTHS, n).tolist(),
            "ticket": [f"T-{i}" for i in range(n)],
        }
    corpus = make_corpus(texts, metadata)
    factors = make_factors(
        corpus,
        topic,
        names,
        properties=[t[2] for t in TOPICS],
        negative_poles={3: "Friendly support"},
        hierarchy=[Layer(("Logistics and money", "Product and people"), np.array([0, 1, 0, 1]))],
    )
    return make_run(path, corpus, factors)


def days(first: str, span: int, n: int) -> list[str]:
    """n dates, evenly over a number of days."""
    start = date.fromisoformat(first)
    return [(start + timedelta(days=i * span // n)).isoformat() for i in range(n)]


def changing_run(
    path: Path, *, n: int = 1200, n_weeks: int = 10, metadata: Mapping[str, Sequence[Any]] | None = None
) -> Run:
    """Texts of some weeks, in which one factor rises, one falls, one is frequent for two weeks, and two are steady."""
    rng = np.random.default_rng(5)
    shares = np.full((n_weeks, len(COURSES)), 0.1)
    shares[:, 0] = np.linspace(0.05, 0.35, n_weeks)
    shares[:, 1] = shares[::-1, 0]
    shares[4:6, 2] = 0.35
    rest = 1 - shares.sum(axis=1, keepdims=True)
    weeks = np.hstack([rest, shares])[np.arange(n) * n_weeks // n]
    dominant = [int(rng.choice(len(COURSES) + 1, p=week)) - 1 for week in weeks]  # -1: of none
    corpus = make_corpus(
        [f"Letter {i} about {COURSES[k] if k >= 0 else 'nothing'}." for i, k in enumerate(dominant)],
        metadata or {"posted": days("2026-01-05", 7 * n_weeks, n)},
    )
    return make_run(path, corpus, make_factors(corpus, dominant, COURSES))


def save_tiny_model(folder: Path, kind: str, texts: Sequence[str]) -> Path:
    """Write a model of 2 layers with random weights, whose tokens are the words of the texts.

    `kind` is ``bert``, a sentence-transformers folder of 32 numbers that averages tokens, or ``llama`` or
    ``gpt2``, Hugging Face folders of a language model.
    """
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import (
        BertConfig,
        BertModel,
        GPT2Config,
        GPT2Model,
        LlamaConfig,
        LlamaModel,
        PreTrainedTokenizerFast,
    )

    split = pre_tokenizers.BertPreTokenizer()
    words = {word: None for text in texts for word, _ in split.pre_tokenize_str(text)}
    vocabulary = {word: at for at, word in enumerate(["[PAD]", "[UNK]", *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = split
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", eos_token="[PAD]"
    ).save_pretrained(folder)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    common = {"vocab_size": len(vocabulary), "initializer_range": 0.2}
    torch.manual_seed(0)
    model: Any
    if kind == "bert":
        model = BertModel(BertConfig(**common, **sizes, max_position_embeddings=256))
    elif kind == "llama":
        model = LlamaModel(LlamaConfig(**common, **sizes, max_position_embeddings=256))
    else:
        model = GPT2Model(GPT2Config(**common, n_embd=32, n_layer=2, n_head=4, n_positions=256))
    model.save_pretrained(folder)
    if kind == "bert":
        transformer = Transformer(str(folder))
        SentenceTransformer(modules=[transformer, Pooling(32)], device="cpu").save(
            str(folder), create_model_card=False
        )
    return folder
