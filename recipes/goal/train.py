"""Train the encoder `goal` that goalspace ships, and write its weights.

    OMP_WAIT_POLICY=PASSIVE python -m recipes.goal.train     # src/goalspace/data/goal.safetensors

Trained on the goal corpus beside this file and on nothing else, without the domains and aspects that `corpus.split`
holds out. Run it from the root of the repository; it needs `pip install -e .`. With the environment variable, threads
that wait do not spin, which makes it several times faster on a machine that does something else as well.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import numpy as np
import torch
from rich.console import Console

from goalspace.encoders import low_rank, torch_backend
from goalspace.encoders.backend import Weights
from goalspace.encoders.goal import (
    GOAL_TOKENS,
    NOT_RELEVANT,
    encode_goals,
    run_lower_layers,
    run_upper_layers,
    tokenize,
)
from goalspace.encoders.layers import LINE_BREAK, TOKEN_TYPES
from goalspace.encoders.minilm import MiniLM, batch_tokens, embed_batch, load_arrays, pad_tokens
from goalspace.training.losses import info_nce, supervised_contrastive
from recipes.goal.batches import Batch, Sampler
from recipes.goal.corpus import Domain, Entry, read_bank, read_domains, split

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "src" / "goalspace" / "data" / "goal.safetensors"

TOKENS = 64  # of a text in training
EPOCHS = 2.5
DOMAINS, GOALS = 4, 3  # per batch, and per domain
TEMPERATURE, RATE, DECAY, WARM_UP = 0.05, 3e-4, 0.01, 0.05
BETWEEN_TEXTS, TO_TEXTS = 1.0, 0.5  # weights of the losses between texts and from properties to texts
NEAR = 0.75  # cosine, in plain MiniLM, from which two properties are not each other's negatives
RANK = 96
KEPT = 0.85  # of the change in training
_CHUNK_TOKENS = 2048  # in the lower layers at a time, sorted by length, which saves most of the padding
_IGNORED = -1e3  # a cosine whose exponential is 0
console = Console(stderr=True)


class Model:
    """MiniLM with gradients; of its embeddings, only those of segments and of line breaks are trained."""

    def __init__(self) -> None:
        weights = {name: torch.from_numpy(array) for name, array in load_arrays().items()}
        self.trained = {
            name: array.clone()
            for name, array in weights.items()
            if name.startswith("encoder.layer.") or name == TOKEN_TYPES
        }
        self.trained[LINE_BREAK] = torch.zeros(MiniLM.dim)
        for array in self.trained.values():
            array.requires_grad_()
        self.weights = Weights({**weights, **self.trained}, torch_backend)

    def embed_texts(self, texts: Sequence[str], pairs: Sequence[tuple[int, str]]) -> torch.Tensor:
        """Embed pairs of the row of a text and a goal (n_pairs, 384); the lower layers read every text once."""
        goals = {goal: number for number, goal in enumerate(dict.fromkeys(goal for _, goal in pairs))}
        prefix = encode_goals(*_pad(tokenize(list(goals), GOAL_TOKENS)), self.weights)
        of_row: dict[int, list[int]] = {}
        for number, (row, _) in enumerate(pairs):
            of_row.setdefault(row, []).append(number)
        parts, order = [], []
        for rows, ids, mask in batch_tokens(tokenize(texts, TOKENS), _CHUNK_TOKENS):
            numbers = [number for row in rows for number in of_row[row]]
            places = [place for place, row in enumerate(rows) for _ in of_row[row]]
            prefixes = prefix.take([goals[pairs[number][1]] for number in numbers])
            tokens = torch.from_numpy(ids), torch.from_numpy(mask)
            hidden = run_lower_layers(*tokens, self.weights).take(places)
            parts.append(run_upper_layers(hidden, prefixes, self.weights))
            order += numbers
        return torch.cat(parts)[torch.tensor(order).argsort()]

    def embed_properties(self, properties: Sequence[str]) -> torch.Tensor:
        """Embed properties (n_properties, 384)."""
        return embed_batch(*_pad(tokenize(properties, GOAL_TOKENS)), self.weights)


def _pad(tokens: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    ids, mask = pad_tokens(tokens)
    return torch.from_numpy(ids), torch.from_numpy(mask)


def compute_loss(model: Model, batch: Batch, plain: torch.Tensor) -> torch.Tensor:
    """InfoNCE between texts and properties, both ways, and the supervised contrastive loss between texts.

    `plain` are the vectors of `batch.properties` in untuned MiniLM; properties that are near there, such as "annoyed" and
    "irritated", are neither pairs nor negatives. A text is pulled to any text of the batch with the same answer, but
    pushed only from texts of its own domain under the same goal: others can be told apart by their topic. Texts to which
    the goal does not apply are not compared with each other.
    """
    with torch.autocast("cpu", torch.bfloat16):
        texts = model.embed_texts(batch.texts, [(item.row, item.goal) for item in batch.items])
        properties = model.embed_properties(batch.shown)
    has = torch.tensor([[name in item.properties for name in batch.properties] for item in batch.items])
    near = (plain @ plain.T > NEAR).float()
    is_near = has.float() @ near > 0
    cosines = (texts @ properties.T).masked_fill(is_near & ~has, _IGNORED)
    number_of = {group: number for number, group in enumerate({item.group: None for item in batch.items})}
    groups = torch.tensor([number_of[item.group] for item in batch.items])
    rivals = (groups[:, None] == groups) & ~(is_near.float() @ has.float().T > 0)
    answers = has.clone()
    answers[:, batch.properties.index(NOT_RELEVANT)] = False
    compared = (answers.float() @ answers.float().T > 0) | rivals
    answered = has.any(dim=0)
    return (
        info_nce(cosines, has, TEMPERATURE)
        + TO_TEXTS * info_nce(cosines.T[answered], has.T[answered], TEMPERATURE)
        + BETWEEN_TEXTS
        * supervised_contrastive((texts @ texts.T).masked_fill(~compared, _IGNORED), answers, TEMPERATURE)
    )


def count_batches(domains: Sequence[Domain], epochs: float) -> int:
    """Return the number of batches in which every text is drawn `epochs` times under each of its goals, on average."""
    n_pairs = sum(len(domain.texts) * len(domain.goals) for domain in domains)
    n_texts = sum(len(domain.texts) for domain in domains)
    drawn = n_texts / len(domains) * min(DOMAINS, len(domains)) * GOALS  # pairs in a batch
    return max(1, round(epochs * n_pairs / drawn))


def train(domains: Sequence[Domain], bank: Mapping[str, Entry], n_batches: int, *, seed: int) -> Model:
    """Train with AdamW; the rate rises over the first batches, then falls to 0."""
    torch.manual_seed(seed)
    sampler = Sampler(domains, bank, seed=seed)
    names = sorted({NOT_RELEVANT, *(name for domain in domains for name in domain.properties())})
    plain = dict(zip(names, torch.from_numpy(MiniLM().encode(names)), strict=True))
    model = Model()
    trained = list(model.trained.values())
    optimizer = torch.optim.AdamW(trained, lr=RATE, weight_decay=DECAY)
    warm_up = max(1, round(WARM_UP * n_batches))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warm_up, 1) * (1 - step / n_batches)
    )
    start = time.monotonic()
    for step in range(n_batches):
        batch = sampler.draw(n_domains=DOMAINS, n_goals=GOALS)
        loss = compute_loss(model, batch, torch.stack([plain[name] for name in batch.properties]))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()
        if step % 50 == 0:
            console.log(
                f"batch {step} of {n_batches}, loss {loss.item():.2f}, {time.monotonic() - start:.0f} s"
            )
    return model


def extract(model: Model, *, rank: int, kept: float = KEPT) -> low_rank.Adapter:
    """Approximate the change of the encoder's matrices by a low rank, and keep the other weights whole.

    Only a share of the change is kept, which forgets less of what MiniLM knew (Wortsman et al. 2022, arXiv 2109.01903).
    """
    base = {name: array for name, array in load_arrays().items() if name in model.trained}
    tuned = {}
    for name, array in model.trained.items():
        before = base.get(name, 0.0)  # the line break is new
        tuned[name] = before + kept * (array.detach().numpy() - before)
    adapter = low_rank.extract(base, tuned, rank=rank)
    whole = {name: array.astype(np.float16) for name, array in tuned.items() if name not in adapter.factors}
    return adapter._replace(whole=whole)


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=SHIPPED, show_default=True)
@click.option(
    "--epochs",
    default=EPOCHS,
    show_default=True,
    help="How often each text is drawn under each goal, on average.",
)
@click.option("--rank", default=RANK, show_default=True)
@click.option("--seed", default=0, show_default=True)
def main(out: Path, epochs: float, rank: int, seed: int) -> None:
    """Train the encoder `goal` and write its weights."""
    domains = split(read_domains()).train
    n_texts = sum(len(domain.texts) for domain in domains)
    console.log(f"{n_texts:,} texts in {len(domains)} domains")
    model = train(domains, read_bank(), count_batches(domains, epochs), seed=seed)
    adapter = extract(model, rank=rank)
    about = {
        "base": "all-MiniLM-L6-v2",
        "corpus": f"recipes/goal, {n_texts} texts in {len(domains)} domains",
        "epochs": str(epochs),
        "seed": str(seed),
    }
    low_rank.save(adapter._replace(about=about), out)
    console.log(f"wrote {out}, {out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
