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

from goalspace.encoders import low_rank
from goalspace.encoders.goal import LINE_BREAK, tokenize, with_line_break
from goalspace.encoders.goal_head import N_BLOCKS, SHAPES, add_goals, project_properties, read_answers
from goalspace.encoders.minilm import MiniLM, batch_tokens, embed_batch, load
from goalspace.training.losses import info_nce, supervised_contrastive
from recipes.goal.batches import Batch, Sampler
from recipes.goal.corpus import Domain, Entry, read_bank, read_domains, split

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "src" / "goalspace" / "data" / "goal.safetensors"

TOKENS = 64  # of a text in training
TEMPERATURE, DROPOUT = 0.05, 0.3
BETWEEN_TEXTS, TO_TEXTS = 1.0, 0.5  # weights of the losses between texts and from properties to texts
NEAR = 0.75  # cosine, in plain MiniLM, from which two properties are not each other's negatives
# First the head is trained on features of the untuned encoder, which takes a minute, then both together.
HEAD_BATCHES, HEAD_RATE, HEAD_DOMAINS, HEAD_GOALS = 400, 1e-3, 12, 2
RATES, DECAYS, DOMAINS, GOALS = (1.5e-4, 5e-4), (0.01, 0.05), 6, 5  # of encoder and head; per batch
RANK = 48
_WARM_UP = 40  # batches
_CHUNK_TOKENS = 2048  # encoded at a time, sorted by length, which saves most of the padding
_IGNORED = -1e3  # a cosine whose exponential is 0
console = Console(stderr=True)


class Model:
    """The encoder `goal` with gradients; of MiniLM, the layers are trained, and the vector of a line break."""

    def __init__(self, strings: Sequence[str]) -> None:
        """`strings` are all goals and properties, whose vectors in plain MiniLM do not change."""
        self.weights = {name: array.clone() for name, array in load()[1].items()}
        self.encoder = {n: array for n, array in self.weights.items() if n.startswith("encoder.layer.")}
        self.encoder[LINE_BREAK] = torch.zeros(MiniLM.dim)
        self.head = _initial_head()
        for array in (*self.encoder.values(), *self.head.values()):
            array.requires_grad_()
        self.row_of = {string: row for row, string in enumerate(strings)}
        self.vectors = torch.from_numpy(MiniLM().encode(strings))

    def look_up(self, strings: Sequence[str]) -> torch.Tensor:
        """Return the vectors of goals or properties in plain MiniLM."""
        return self.vectors[[self.row_of[string] for string in strings]]

    def features(self, texts: Sequence[str]) -> torch.Tensor:
        """Return (n_texts, 1536), as `GoalFeatures` does."""
        used = with_line_break(self.weights, self.encoder[LINE_BREAK])
        parts, order = [], []
        for rows, ids, sizes in batch_tokens(tokenize(texts, TOKENS), _CHUNK_TOKENS):
            parts.append(embed_batch(ids, sizes, used, n_last=N_BLOCKS))
            order.append(rows)
        return torch.cat(parts)[torch.from_numpy(np.concatenate(order)).argsort()]


def _initial_head() -> dict[str, torch.Tensor]:
    head = {}
    for name, (n_out, n_in) in SHAPES.items():
        layer = torch.nn.Linear(n_in, n_out)
        head[f"{name}.weight"], head[f"{name}.bias"] = layer.weight.data, layer.bias.data
    for part in ("weight", "bias"):  # properties stay where they are at first
        head[f"head.property_out.{part}"].zero_()
    head["head.offset.weight"].copy_(torch.eye(MiniLM.dim) / 2)
    head["head.offset.bias"].zero_()
    return head


def compute_loss(model: Model, batch: Batch, features: torch.Tensor) -> torch.Tensor:
    """InfoNCE between texts and properties, both ways, and the supervised contrastive loss between texts.

    Properties that are near in plain MiniLM, such as "annoyed" and "irritated", are neither pairs nor negatives. A
    text is pulled to any text of the batch with the same answer, but pushed only from texts of its own domain under
    the same goal: others can be told apart by their topic.
    """
    plain = model.look_up(batch.properties)
    goals = model.look_up([item.goal for item in batch.items])
    answers = read_answers(features[[item.row for item in batch.items]], goals, model.head, dropout=DROPOUT)
    has = torch.tensor([[name in item.properties for name in batch.properties] for item in batch.items])
    near = (plain @ plain.T > NEAR).float()
    is_near = has.float() @ near > 0
    cosines = add_goals(answers, goals, model.head) @ project_properties(plain, model.head).T
    cosines = cosines.masked_fill(is_near & ~has, _IGNORED)
    number_of = {group: number for number, group in enumerate({item.group: None for item in batch.items})}
    groups = torch.tensor([number_of[item.group] for item in batch.items])
    rivals = (groups[:, None] == groups) & ~(is_near.float() @ has.float().T > 0)
    compared = (has.float() @ has.float().T > 0) | rivals
    answered = has.any(dim=0)
    directions = torch.nn.functional.normalize(answers, dim=1)
    return (
        info_nce(cosines, has, TEMPERATURE)
        + TO_TEXTS * info_nce(cosines.T[answered], has.T[answered], TEMPERATURE)
        + BETWEEN_TEXTS
        * supervised_contrastive(
            (directions @ directions.T).masked_fill(~compared, _IGNORED), has, TEMPERATURE
        )
    )


def train_head(model: Model, sampler: Sampler) -> None:
    """Train the head alone, on features computed once."""
    texts = sorted({text.text for domain in sampler.domains for text in domain.texts})
    with torch.no_grad():
        features = torch.cat(
            [model.features(texts[start : start + 512]) for start in range(0, len(texts), 512)]
        )
    row_of = {text: row for row, text in enumerate(texts)}
    optimizer = torch.optim.AdamW(model.head.values(), lr=HEAD_RATE, weight_decay=DECAYS[1])
    for _ in range(HEAD_BATCHES):
        batch = sampler.draw(n_domains=HEAD_DOMAINS, n_goals=HEAD_GOALS)
        loss = compute_loss(model, batch, features[[row_of[text] for text in batch.texts]])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def train(domains: Sequence[Domain], bank: Mapping[str, Entry], n_batches: int, *, seed: int) -> Model:
    """Train with AdamW; the rates rise over the first batches, then fall to 0."""
    torch.manual_seed(seed)
    sampler = Sampler(domains, bank, seed=seed)
    wordings = {w for domain in domains for each in domain.goals.values() for w in each}
    questions = {question for entry in bank.values() for question in entry.questions}
    properties = {name for domain in domains for name in domain.properties()}
    model = Model(sorted(wordings | questions | properties))
    train_head(model, sampler)
    encoder = list(model.encoder.values())
    optimizer = torch.optim.AdamW(
        [
            {"params": each, "lr": rate, "weight_decay": decay}
            for each, rate, decay in zip((encoder, list(model.head.values())), RATES, DECAYS, strict=True)
        ]
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / _WARM_UP, 1) * (1 - step / n_batches)
    )
    start = time.monotonic()
    for step in range(n_batches):
        batch = sampler.draw(n_domains=DOMAINS, n_goals=GOALS)
        loss = compute_loss(model, batch, model.features(batch.texts))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(encoder, 1.0)
        optimizer.step()
        schedule.step()
        if step % 50 == 0:
            console.log(
                f"batch {step} of {n_batches}, loss {loss.item():.2f}, {time.monotonic() - start:.0f} s"
            )
    return model


def extract(model: Model, *, rank: int) -> low_rank.Adapter:
    """Approximate the change of the encoder's matrices by a low rank, and keep the other weights whole."""
    tuned = {name: array.detach().numpy() for name, array in model.encoder.items()}
    base = {name: array.numpy() for name, array in load()[1].items() if name in tuned}
    adapter = low_rank.extract(base, tuned, rank=rank)
    others = {name: array for name, array in tuned.items() if name not in adapter.factors}
    others |= {name: array.detach().numpy() for name, array in model.head.items()}
    return adapter._replace(whole={name: array.astype(np.float16) for name, array in others.items()})


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=SHIPPED, show_default=True)
@click.option("--batches", default=350, show_default=True, help="Of six domains, under five goals each.")
@click.option("--rank", default=RANK, show_default=True)
@click.option("--seed", default=0, show_default=True)
def main(out: Path, batches: int, rank: int, seed: int) -> None:
    """Train the encoder `goal` and write its weights."""
    domains = split(read_domains()).train
    n_texts = sum(len(domain.texts) for domain in domains)
    console.log(f"{n_texts:,} texts in {len(domains)} domains")
    adapter = extract(train(domains, read_bank(), batches, seed=seed), rank=rank)
    about = {
        "base": "all-MiniLM-L6-v2",
        "corpus": f"recipes/goal, {n_texts} texts in {len(domains)} domains",
        "batches": str(batches),
        "seed": str(seed),
    }
    low_rank.save(adapter._replace(about=about), out)
    console.log(f"wrote {out}, {out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
