"""The encoders of instructions that are compared: those of goalspace and the references."""

from __future__ import annotations

import functools
import math
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.kit.datasets import read_lines
from bench.kit.paths import CACHE, DATA, ROOT
from goalspace.encoders.cache import cached
from goalspace.encoders.hidden import Dtype
from goalspace.encoders.prompted import PromptedEncoder
from goalspace.encoders.protocol import Encoder
from goalspace.encoders.registry import get_encoder
from goalspace.files import digest
from goalspace.training import train
from goalspace.training.pairs import Pairs

# of SmolLM2: three times as fast as float32 on processors that support it; the cosine between both is 0.9999
DTYPE: Dtype = "bfloat16"

# the training data of the shipped encoder (recipes/task/README.md) and the unlabelled instructions of the benchmark
TASK_IEB = (
    "instructions/gpteacher_codegen.jsonl",
    "instructions/self_instruct_seed_tasks.jsonl",
    "instructions/self_instruct_user_oriented_252.jsonl",
    "instructions/vicuna80.jsonl",
    "instructions/mt_bench80.jsonl",
    "instructions/mbpp.jsonl",
    "ieb/eft_train_unsup.jsonl",
)

Make = Callable[[Sequence[str]], Encoder]


@dataclass(frozen=True)
class Row:
    """An encoder, one row of a table.

    `make` gets the texts of a task, since some encoders are fitted on them without labels; `reference` holds the ARI,
    purity, homogeneity and Spearman correlation of issue 3; `n_timed` texts are embedded to measure speed; `trains`
    marks encoders whose training takes minutes.
    """

    name: str
    make: Make
    note: str = ""
    reference: tuple[float, ...] = ()
    n_timed: int = 1000
    trains: bool = False


def rows() -> list[Row]:
    """Return all encoders, from the simplest to those of goalspace."""
    return [
        Row("TF-IDF + SVD 300", TfidfSvd, "fitted on the task's texts", (0.598, 0.748, 0.865, 0.818)),
        Row("wordllama-256", WordLlama, "", (0.583, 0.715, 0.837, 0.802)),
        Row("MiniLM", _named("minilm"), "", (0.483, 0.635, 0.781, 0.751)),
        Row("SmolLM2, no template", _prompted("none"), "last-2", (0.245, 0.396, 0.614, 0.271), 200),
        Row("SmolLM2, “sentence”", _prompted("sentence"), "the paper's control", (), 200),
        Row("SmolLM2, PIE", _prompted("pie"), "the paper's template", (0.573, 0.709, 0.851, 0.776), 200),
        Row(
            "SmolLM2, PIE whitened", _whitened, "256, by the task's texts", (0.603, 0.743, 0.874, 0.823), 200
        ),
        Row("verb–noun label, MiniLM", VerbNoun, "the labels' own recipe", (0.829, 0.905, 0.937, 0.823)),
        Row("static, trained", _static, "by pseudo-labels", (0.700, 0.799, 0.893, 0.827), trains=True),
        Row("MiniLM, trained", _trained, "by pseudo-labels", (0.898, 0.924, 0.960, 0.843), trains=True),
        Row("task", _named("task"), "shipped"),
        Row("task-ieb", _task_ieb, "task with eft_train_unsup", trains=True),
    ]


def select_rows(*names: str) -> list[Row]:
    """Return the encoders of these names."""
    return [row for row in rows() if row.name in names]


class TfidfSvd:
    """TF-IDF of words, reduced to 300 dimensions by truncated SVD."""

    def __init__(self, texts: Sequence[str], dim: int = 300) -> None:
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfVectorizer

        self.tfidf = TfidfVectorizer(sublinear_tf=True)
        matrix = self.tfidf.fit_transform(texts)
        self.dim = min(dim, *(n - 1 for n in matrix.shape))
        self.svd = TruncatedSVD(self.dim, random_state=0).fit(matrix)
        self.name = f"tfidf-svd{self.dim}-{digest(list(texts))[:8]}"

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        return np.asarray(self.svd.transform(self.tfidf.transform(texts)), dtype=np.float32)


class VerbNoun:
    """The verb–noun label of an instruction, embedded with MiniLM instead of its text."""

    name = "verb-noun"
    dim = 384

    def __init__(self, _: Sequence[str]) -> None:
        self.minilm = get_encoder("minilm")

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        labels = [label.replace("|", " ") for label in pseudo_labels(texts)]
        index_of = {label: i for i, label in enumerate(dict.fromkeys(labels))}
        return self.minilm.encode(list(index_of))[[index_of[label] for label in labels]]


def pseudo_labels(texts: Sequence[str]) -> Sequence[str]:
    """Return the verb–noun label of each instruction, derived from its own text."""
    from goalspace.curation.tasklabels import label_tasks

    return label_tasks(texts, merge=False).labels


@functools.cache
def pseudo_pairs() -> Pairs:
    """The instructions of eft_train_unsup with the labels derived from them."""
    texts = [row["instruction"] for row in read_lines("ieb/eft_train_unsup.jsonl")]
    labelled = [
        (text, label) for text, label in zip(texts, pseudo_labels(texts), strict=True) if label != "other"
    ]
    return Pairs.of_labels([text for text, _ in labelled], [label for _, label in labelled])


def _named(spec: str) -> Make:
    return lambda _: cached(spec, CACHE)


def _task_ieb(_: Sequence[str]) -> Encoder:
    """The recipe of `task` with the unlabelled instructions of the benchmark; trained once."""
    recipe = ROOT / "recipes" / "task" / "train.py"
    path = CACHE / f"task-ieb-{digest(recipe.read_bytes(), list(TASK_IEB))[:8]}.safetensors"
    if not path.exists():
        files = [argument for name in TASK_IEB for argument in ("--instructions", str(DATA / name))]
        subprocess.run([sys.executable, str(recipe), *files, "--out", str(path)], check=True)
    return cached(f"task:{path}", CACHE)


def _prompted(template: str) -> Make:
    def make(_: Sequence[str]) -> Encoder:
        return cached(PromptedEncoder("smollm2", template=template, dtype=DTYPE), CACHE)

    return make


def _whitened(texts: Sequence[str]) -> Encoder:
    from goalspace.encoders.whitened import WhitenedEncoder

    return WhitenedEncoder.fit(_prompted("pie")(texts), texts, dim=min(256, len(texts) - 1))


class WordLlama:
    """Static token embeddings derived from large language models, from the package wordllama."""

    name = "wordllama-256"
    dim = 256

    def __init__(self, _: Sequence[str]) -> None:
        import wordllama

        # the wheel holds weights and tokeniser, but the package looks for the tokeniser in the cache folder only
        folder = Path(wordllama.__file__).parent
        self.model = wordllama.WordLlama.load(cache_dir=folder, disable_download=True)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        return np.asarray(self.model.embed(list(texts)), dtype=np.float32)


def _static(_: Sequence[str]) -> Encoder:
    """Averaged token vectors, initialised from MiniLM and trained contrastively."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import StaticEmbedding

    from goalspace.encoders.minilm import load_arrays, load_tokenizer
    from goalspace.encoders.sentence import SentenceEncoder

    class Static(StaticEmbedding):
        max_seq_length = math.inf  # train() sets it, but the base class defines no setter

    tokenizer = load_tokenizer()
    whole = type(tokenizer).from_str(tokenizer.to_str())
    whole.no_truncation()
    start = load_arrays()["embeddings.word_embeddings.weight"]
    model = SentenceTransformer(modules=[Static(whole, embedding_weights=start)], device="cpu")
    return _train(SentenceEncoder(model, name="static"), epochs=3, batch_size=128, learning_rate=1e-2)


def _trained(_: Sequence[str]) -> Encoder:
    return _train("minilm", epochs=1, batch_size=64, max_tokens=64)


def _train(encoder: str | Encoder, **settings: Any) -> Encoder:
    """Train once; later calls load the weights from bench/.cache."""
    name = encoder if isinstance(encoder, str) else encoder.name
    return train(
        encoder,
        pseudo_pairs(),
        hard_negatives=True,
        between_texts=True,
        split="property",
        checkpoints=CACHE / "training" / name,
        **settings,
    )
