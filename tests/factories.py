"""Small, realistic artefacts in memory, with the attribute names of the real ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from goalspace.edits.log import Edits
from goalspace.factors import FactorSpace
from goalspace.run.wording import TEXTS

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
MONTHS = ("2024-01", "2024-02", "2024-04", "2024-05")  # March has no texts


@dataclass(frozen=True)
class FakeCorpus:
    ids: tuple[str, ...]
    texts: tuple[str, ...]
    counts: np.ndarray
    metadata: Mapping[str, Sequence[Any]]
    stats: dict[str, int]
    duplicates: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class FakeMember:
    name: str
    weight: float
    n_texts: int


@dataclass(frozen=True)
class FakeEvidence:
    text_id: str
    score: float
    start: int
    end: int
    pole: int


@dataclass(frozen=True)
class FakeLayer:
    names: tuple[str, ...]
    assignment: np.ndarray


@dataclass(frozen=True)
class FakeLinks:
    text_vectors: np.ndarray
    property_vectors: np.ndarray


@dataclass(frozen=True)
class FakeProposals:
    properties: tuple[str, ...] = ()
    text_index: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int32))
    property_index: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int32))
    quotes: tuple[str | None, ...] = ()
    analyses: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class FakeFactors:
    names: tuple[str, ...]
    descriptions: tuple[str, ...]
    poles: tuple[tuple[str, str | None], ...]
    scores: np.ndarray
    dominant: np.ndarray
    vocabulary: tuple[str, ...]
    loadings: np.ndarray
    assignment: np.ndarray
    properties: tuple[tuple[FakeMember, ...], ...]
    strength: np.ndarray
    tc_curve: tuple[tuple[int, float], ...]
    hierarchy: tuple[FakeLayer, ...]
    evidence: tuple[tuple[FakeEvidence, ...], ...]
    map: np.ndarray
    factor_map: np.ndarray
    property_counts: np.ndarray
    links: FakeLinks
    prototypes: np.ndarray
    centre: np.ndarray
    hidden: tuple[int, ...] = ()
    strength_unit = "nats"

    @property
    def dim(self) -> int:
        return len(self.names)

    @property
    def shown(self) -> tuple[int, ...]:
        return tuple(k for k in range(self.dim) if k not in self.hidden)

    @property
    def space(self) -> FactorSpace:
        return FactorSpace(self)  # type: ignore[arg-type]


@dataclass(frozen=True)
class FakeRun:
    path: Path
    goal: str
    corpus: FakeCorpus
    factors: FakeFactors
    record: dict[str, Any]
    edits: Edits = field(default_factory=Edits)
    proposals: FakeProposals = field(default_factory=FakeProposals)
    wording = TEXTS
    derived: tuple[str, ...] = ()

    def chosen(self, row: int) -> list[dict[str, str]]:
        return []


def make_corpus(texts: Sequence[str], metadata: Mapping[str, Sequence[Any]] | None = None) -> FakeCorpus:
    """A corpus of the given texts, none of them a duplicate."""
    n = len(texts)
    return FakeCorpus(
        ids=tuple(f"t{i}" for i in range(n)),
        texts=tuple(texts),
        counts=np.ones(n, dtype=np.int64),
        metadata=dict(metadata or {}),
        stats={"n_read": n, "n_texts": n, "n_duplicates": 0, "n_empty": 0},
    )


def make_factors(
    corpus: FakeCorpus,
    dominant: Sequence[int] | np.ndarray,
    names: Sequence[str],
    *,
    properties: Sequence[Sequence[str]] | None = None,
    negative_poles: Mapping[int, str] | None = None,
    n_evidence: int = 3,
    hierarchy: Sequence[FakeLayer] = (),
    seed: int = 0,
) -> FakeFactors:
    """Factors with the given dominant factor per text; scores, map and evidence follow from it."""
    rng = np.random.default_rng(seed)
    n, k = len(corpus), len(names)
    dominant = np.asarray(dominant, dtype=np.int32)
    negative_poles = negative_poles or {}
    scores = rng.normal(0, 0.6, (n, k))
    rows = np.flatnonzero(dominant >= 0)
    scores[rows, dominant[rows]] += 2.5
    scores = ((scores - scores.mean(0)) / np.maximum(scores.std(0), 1e-9)).astype(np.float32)
    angles = 2 * np.pi * np.arange(k) / max(k, 1)
    factor_map = 0.5 + 0.35 * np.column_stack([np.cos(angles), np.sin(angles)])
    places = np.where(dominant[:, None] >= 0, factor_map[dominant], 0.5) + rng.normal(0, 0.04, (n, 2))
    properties = properties or [[f"{name.lower()} – property {i}" for i in range(4)] for name in names]
    members, vocabulary, assignment = [], [], []
    for factor, group in enumerate(properties):
        signs = [-1 if factor in negative_poles and i % 2 else 1 for i in range(len(group))]
        members.append(
            tuple(FakeMember(p, signs[i] * round(0.9 - 0.07 * i, 3), 5 + i) for i, p in enumerate(group))
        )
        vocabulary += list(group)
        assignment += [factor] * len(group)
    evidence = []
    for factor in range(k):
        best = [int(i) for i in np.argsort(-scores[:, factor])[:n_evidence]]
        items = [(i, 1) for i in best]
        if factor in negative_poles:
            items += [(int(i), -1) for i in np.argsort(scores[:, factor])[:n_evidence]]
        evidence.append(
            tuple(
                FakeEvidence(corpus.ids[i], float(scores[i, factor]), *_first_sentence(corpus.texts[i]), pole)
                for i, pole in items
            )
        )
    loadings = np.zeros((k, len(vocabulary)), dtype=np.float32)
    return FakeFactors(
        names=tuple(names),
        descriptions=tuple(f"Texts that are about {name.lower()}." for name in names),
        poles=tuple((name, negative_poles.get(f)) for f, name in enumerate(names)),
        scores=scores,
        dominant=dominant,
        vocabulary=tuple(vocabulary),
        loadings=loadings,
        assignment=np.array([*assignment, -1], dtype=np.int32)[: len(vocabulary)],
        properties=tuple(members),
        strength=np.linspace(6, 1, k),
        tc_curve=tuple((j, 10 - 20 / (j + 1) - 0.15 * j) for j in sorted({1, 2, 4, 8, 12, 16, k})),
        hierarchy=tuple(hierarchy),
        evidence=tuple(evidence),
        map=places.astype(np.float32).clip(0, 1),
        factor_map=factor_map.astype(np.float32),
        property_counts=np.array([m.n_texts for group in members for m in group], dtype=np.int64),
        links=FakeLinks(
            rng.normal(size=(n, 8)).astype(np.float32),
            rng.normal(size=(len(vocabulary), 8)).astype(np.float32),
        ),
        prototypes=rng.normal(size=(k, 8)).astype(np.float32),
        centre=np.zeros(8, dtype=np.float32),
    )


def _first_sentence(text: str) -> tuple[int, int]:
    end = text.find(". ")
    return 0, len(text) if end < 0 else end + 1


def make_run(
    path: Path, corpus: FakeCorpus, factors: FakeFactors, *, goal: str = "what makes customers unhappy"
) -> FakeRun:
    """A finished run whose record says what the stages would have said."""
    record = {
        "format": 1,
        "goalspace": "0.1.0",
        "goal": goal,
        "created": "2025-11-21T10:15:00+00:00",
        "versions": {"python": "3.11.9", "numpy": "2.4.6"},
        "stages": {
            "corpus": _stage({"source": "/home/me/mail.csv", "text": "text"}, 0.4, dict(corpus.stats)),
            "propose": _stage(
                {"llm": None, "seed": 0},
                12.0,
                {
                    "proposer": "offline",
                    "n_properties": len(factors.vocabulary),
                    "n_pairs": 900,
                    "coverage": 0.98,
                    "n_quotes": 850,
                    "n_quotes_dropped": 7,
                    "n_unparsed": 0,
                    "n_cut": 2,
                },
            ),
            "link": _stage(
                {"tune": "heads", "seed": 0},
                4.6,
                {
                    "recipe": "heads",
                    "encoder": "minilm",
                    "recall_at_10": 0.41,
                    "untrained_recall_at_10": 0.3,
                    "auc": 0.9,
                    "untrained_auc": 0.8,
                    "n_heldout": 200,
                },
            ),
            "factor": _stage(
                {"n_factors": None, "seed": 0},
                1.2,
                {
                    "n_factors": len(factors.names),
                    "tc": float(factors.strength.sum()),
                    "n_unassigned": 4,
                    "n_layers": len(factors.hierarchy),
                },
            ),
        },
    }
    return FakeRun(path, goal, corpus, factors, record)


def _stage(arguments: dict[str, Any], seconds: float, result: dict[str, Any]) -> dict[str, Any]:
    return {"arguments": arguments, "digest": "0" * 64, "seconds": seconds, "result": result}


def helpdesk_run(path: Path, *, n: int = 240, seed: int = 0) -> FakeRun:
    """Help-desk messages on four topics, with product, month and an identifier column; some fit no factor."""
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
    metadata = {
        "product": product.tolist(),
        "month": rng.choice(MONTHS, n).tolist(),
        "ticket": [f"T-{i}" for i in range(n)],
    }
    corpus = make_corpus(texts, metadata)
    factors = make_factors(
        corpus,
        topic,
        [t[0] for t in TOPICS],
        properties=[t[2] for t in TOPICS],
        negative_poles={3: "Friendly support"},
        hierarchy=[FakeLayer(("Logistics and money", "Product and people"), np.array([0, 1, 0, 1]))],
    )
    return make_run(path, corpus, factors)


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
