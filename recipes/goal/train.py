"""Train the encoder `goal` that goalspace ships, and write its weights.

    OMP_WAIT_POLICY=PASSIVE python -m recipes.goal.train     # src/goalspace/data/goal.safetensors

Trained on the goal corpus beside this file and on nothing else, with the domains and aspects that `corpus.split` holds
out left out. Needs `pip install -e .`. Run it from the root of the repository.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
import torch
from rich.console import Console

from goalspace.encoders import low_rank
from goalspace.encoders.goal import LINE_BREAK, TOKEN_TYPES, WORDS, tokenize, tokenize_properties
from goalspace.encoders.minilm import MiniLM, embed_batch, load
from goalspace.training.losses import info_nce, supervised_contrastive
from recipes.goal.batches import Batch, Sampler
from recipes.goal.corpus import read_bank, read_domains, split

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "src" / "goalspace" / "data" / "goal.safetensors"

TOKENS = 64  # of a text in training
TEMPERATURE, RATE, DECAY, WARM_UP = 0.05, 3e-4, 0.01, 0.1
BETWEEN_TEXTS, TO_TEXTS = 1.0, 0.5  # weights of the losses between texts and from properties to texts
NEAR = 0.75  # cosine, in plain MiniLM, from which two properties are not each other's negatives
RANK = 64
_CHUNK_TOKENS = 2048  # encoded at a time, sorted by length, which saves most of the padding
_IGNORED = -1e3  # a cosine whose exponential is 0
console = Console(stderr=True)


class Model:
    """MiniLM with gradients; of its embeddings, only those of segments and of line breaks are trained."""

    def __init__(self) -> None:
        self.weights = {name: array.clone() for name, array in load()[1].items()}
        self.line_break = torch.zeros(MiniLM.dim)
        self.trained = {
            name: array
            for name, array in self.weights.items()
            if name.startswith("encoder.layer.") or name == TOKEN_TYPES
        } | {LINE_BREAK: self.line_break}
        for array in self.trained.values():
            array.requires_grad_()

    def embed(self, tokens: Sequence[list[int]], starts: Sequence[int]) -> torch.Tensor:
        """Embed (n_texts, 384), rows of length 1."""
        words = self.weights[WORDS]
        used = {**self.weights, WORDS: torch.cat([words[:1], words[1:2] + self.line_break, words[2:]])}
        order = sorted(range(len(tokens)), key=lambda row: -len(tokens[row]))
        parts, begin = [], 0
        while begin < len(order):
            rows = order[begin : begin + max(1, _CHUNK_TOKENS // len(tokens[order[begin]]))]
            begin += len(rows)
            sizes = torch.tensor([len(tokens[row]) for row in rows])
            ids = torch.zeros((len(rows), int(sizes.max())), dtype=torch.long)
            for line, row in zip(ids, rows, strict=True):
                line[: len(tokens[row])] = torch.tensor(tokens[row])
            parts.append(embed_batch(ids, sizes, used, torch.tensor([starts[row] for row in rows])))
        return torch.cat(parts)[torch.tensor(order).argsort()]


def compute_loss(model: Model, batch: Batch, vectors: torch.Tensor) -> torch.Tensor:
    """InfoNCE between texts and properties, both ways, and the supervised contrastive loss between texts.

    `vectors` are those of plain MiniLM for `batch.properties`; properties that are near there, such as "annoyed" and
    "irritated", are neither pairs nor negatives. A text is pulled to any text of the batch with the same answer, but
    pushed only from texts of its own domain under the same goal: others can be told apart by their topic.
    """
    tokens, starts = zip(*(tokenize(item.goal, item.text, TOKENS) for item in batch.items), strict=True)
    names = tokenize_properties(batch.shown)
    texts = model.embed(tokens, starts)
    properties = model.embed(names, [len(ids) for ids in names])
    has = torch.tensor([[name in item.properties for name in batch.properties] for item in batch.items])
    near = (vectors @ vectors.T > NEAR).float()
    ignored = (has.float() @ near > 0) & ~has
    cosines = (texts @ properties.T).masked_fill(ignored, _IGNORED)
    shared = has.float() @ has.float().T > 0
    groups = [item.group for item in batch.items]
    is_rival = torch.tensor([[group == other for other in groups] for group in groups])
    compared = shared | (is_rival & (has.float() @ near @ has.float().T == 0))
    answered = has.any(dim=0)
    return (
        info_nce(cosines, has, TEMPERATURE)
        + TO_TEXTS * info_nce(cosines.T[answered], has.T[answered], TEMPERATURE)
        + BETWEEN_TEXTS
        * supervised_contrastive((texts @ texts.T).masked_fill(~compared, _IGNORED), has, TEMPERATURE)
    )


def train(sampler: Sampler, n_batches: int, *, seed: int) -> Model:
    """Train with AdamW; the rate rises over the first tenth of the batches, then falls to 0."""
    torch.manual_seed(seed)
    model = Model()
    trained = list(model.trained.values())
    optimizer = torch.optim.AdamW(trained, lr=RATE, weight_decay=DECAY)
    warm = max(1, int(WARM_UP * n_batches))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warm, (n_batches - step) / max(1, n_batches - warm))
    )
    plain: dict[str, np.ndarray] = {}
    start = time.monotonic()
    for step, batch in enumerate(sampler.draw(n_batches)):
        new = [name for name in batch.properties if name not in plain]
        plain.update(zip(new, MiniLM().encode(new), strict=True))
        loss = compute_loss(
            model, batch, torch.from_numpy(np.stack([plain[name] for name in batch.properties]))
        )
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()
        if step % 50 == 0:
            seconds = time.monotonic() - start
            console.log(f"batch {step} of {n_batches}, loss {loss.item():.2f}, {seconds:.0f} s")
    return model


def extract(model: Model, *, rank: int) -> low_rank.Adapter:
    """Approximate the change of the matrices by a low rank, and keep what is small as it is."""
    tuned = {name: array.detach().numpy() for name, array in model.trained.items()}
    base = {name: array.numpy() for name, array in load()[1].items() if name in tuned}
    adapter = low_rank.extract(base, tuned, rank=rank)
    whole = {name: array for name, array in tuned.items() if name not in adapter.factors}
    return low_rank.Adapter(adapter.factors, adapter.about, whole)


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=SHIPPED, show_default=True)
@click.option(
    "--epochs", default=5.0, show_default=True, help="How often each text is drawn under each goal."
)
@click.option(
    "--domains", type=int, help="Train on this many domains only [default: all that are not held out]"
)
@click.option("--rank", default=RANK, show_default=True)
@click.option("--seed", default=0, show_default=True)
def main(out: Path, epochs: float, domains: int | None, rank: int, seed: int) -> None:
    """Train the encoder `goal` and write its weights."""
    parts = split(read_domains())
    sampler = Sampler(parts.train[:domains], read_bank(), seed=seed)
    n_texts = sum(len(domain.texts) for domain in sampler.domains)
    console.log(f"{n_texts:,} texts in {len(sampler.domains)} domains, {len(sampler)} batches an epoch")
    adapter = extract(train(sampler, max(1, int(epochs * len(sampler))), seed=seed), rank=rank)
    about = {
        "base": "all-MiniLM-L6-v2",
        "corpus": f"recipes/goal, {n_texts} texts in {len(sampler.domains)} domains",
        "epochs": str(epochs),
        "seed": str(seed),
    }
    low_rank.save(adapter._replace(about=about), out)
    console.log(f"wrote {out}, {out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
