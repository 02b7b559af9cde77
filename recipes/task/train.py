"""Train the encoder of instructions that goalspace ships, and write its adapter.

    python recipes/task/train.py                      # src/goalspace/data/task.safetensors, 8 minutes on 2 cores
    python recipes/task/train.py --instructions FILE --out FILE

Trained on instructions composed from the files beside this one, which were written for goalspace, and on those of
--instructions (any file that goalspace reads), labelled by `goalspace label`. The shipped adapter was made with
Apache-2.0, MIT and CC BY files only: README.md names them. Needs `pip install -e .`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import grammar
import numpy as np
import torch
from rich.console import Console

from goalspace.encoders import low_rank
from goalspace.encoders.minilm import MiniLM
from goalspace.training.groups import group_pairs
from goalspace.training.losses import info_nce, supervised_contrastive
from goalspace.training.negatives import HardBatches
from goalspace.training.pairs import Pairs

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "src" / "goalspace" / "data" / "task.safetensors"

TOKENS = 48  # of an instruction; the task mostly stands at its start
TEMPERATURE, RATE, BATCH = 0.05, 1e-4, 64
KEPT, KEEPING = 40, 200.0  # utterances per batch, and the weight of their similarities
RANK = 32
console = Console(stderr=True)


class Model(torch.nn.Module):
    """MiniLM with gradients; the embeddings of its words stay as they are."""

    def __init__(self) -> None:
        from tokenizers import Tokenizer
        from transformers import AutoModel

        super().__init__()
        folder = MiniLM().folder
        self.bert = AutoModel.from_pretrained(
            str(folder), hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
        )
        self.bert.embeddings.requires_grad_(False)
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_truncation(TOKENS)
        self.tokenizer.no_padding()

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of every text."""
        return [encoding.ids for encoding in self.tokenizer.encode_batch_fast([t[:4000] for t in texts])]

    def forward(self, tokens: Sequence[list[int]]) -> torch.Tensor:
        """Embed (n_texts, 384), rows of length 1; sorted by length in six parts, which saves half the padding."""
        order = np.argsort([len(ids) for ids in tokens], kind="stable")
        parts = [part for part in np.array_split(order, 6) if len(part)]
        found = torch.cat([self._embed([tokens[i] for i in part]) for part in parts])
        return found[torch.from_numpy(np.argsort(np.concatenate(parts)))]

    def _embed(self, tokens: Sequence[list[int]]) -> torch.Tensor:
        sizes = torch.tensor([len(ids) for ids in tokens])
        mask = (torch.arange(int(sizes.max())) < sizes[:, None]).float()
        ids = torch.zeros(mask.shape, dtype=torch.long)
        for row, line in zip(ids, tokens, strict=True):
            row[: len(line)] = torch.tensor(line)
        hidden = self.bert(input_ids=ids, attention_mask=mask).last_hidden_state
        pooled = (hidden * mask[..., None]).sum(dim=1) / sizes[:, None]
        return torch.nn.functional.normalize(pooled, dim=1)


def read_labelled(paths: Sequence[Path]) -> list[grammar.Example]:
    """Instructions of files with the labels that goalspace gives them; what asks for no task is left out."""
    from goalspace.curation.tasklabels import label_tasks
    from goalspace.instructions.dataset import Instructions
    from goalspace.language import OTHER

    found = []
    for path in paths:
        texts = Instructions.read(path).texts
        labels = label_tasks(texts, merge=False).labels
        found += [
            grammar.Example(text, label) for text, label in zip(texts, labels, strict=True) if label != OTHER
        ]
    return found


def train(examples: Sequence[grammar.Example], utterances: Sequence[str], *, seed: int) -> Model:
    """InfoNCE of instructions and labels and between instructions, while utterances keep their similarities."""
    torch.manual_seed(seed)
    model = Model().train()
    pairs = Pairs.of_labels([e.text for e in examples], [e.label for e in examples])
    rows = group_pairs(pairs)
    texts, names = model.tokenize([row["text"] for row in rows]), model.tokenize(pairs.properties)
    kept = model.tokenize(utterances)
    with torch.inference_mode():
        before = torch.cat([model(kept[i : i + 256]) for i in range(0, len(kept), 256)]).clone()
    batches = HardBatches(rows, pairs.properties, batch_size=BATCH, seed=seed)
    weights = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=RATE, weight_decay=0.01)
    warm = max(1, len(batches) // 10)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warm, (len(batches) - step) / (len(batches) - warm))
    )
    rng = np.random.default_rng(seed)
    off_diagonal = ~torch.eye(KEPT, dtype=torch.bool)
    for step, batch in enumerate(batches):
        columns = sorted({name for row in batch for name in rows[row]["properties"]})
        has = torch.tensor([[name in rows[row]["properties"] for name in columns] for row in batch])
        sample = rng.choice(len(kept), KEPT, replace=False)
        tokens = [texts[row] for row in batch] + [names[i] for i in columns] + [kept[i] for i in sample]
        found, labels, same = model(tokens).split([len(batch), len(columns), KEPT])
        change = (same @ same.T - before[sample] @ before[sample].T)[off_diagonal].square().mean()
        loss = (
            info_nce(found @ labels.T, has, TEMPERATURE)
            + supervised_contrastive(found @ found.T, has, TEMPERATURE)
            + KEEPING * change
        )
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        schedule.step()
        if step % 50 == 0:
            console.log(f"step {step} of {len(batches)}, loss {loss.item():.3f}")
    return model


def weights_of(model: Any) -> dict[str, np.ndarray]:
    """Weights as arrays, by the names that MiniLM's file has."""
    return {name: array.detach().numpy().copy() for name, array in model.bert.state_dict().items()}


def passages() -> Iterator[str]:
    """Texts that instructions are about: the messages of the example."""
    with (ROOT / "examples" / "helpdesk.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield row["message"]


@click.command()
@click.option("--instructions", "paths", type=click.Path(path_type=Path, exists=True), multiple=True)
@click.option("--out", type=click.Path(path_type=Path), default=SHIPPED, show_default=True)
@click.option("--frames", default=10_000, show_default=True, help="Instructions composed from the lexicon.")
@click.option("--seed", default=0, show_default=True)
def main(paths: tuple[Path, ...], out: Path, frames: int, seed: int) -> None:
    """Train the encoder of instructions and write its adapter."""
    composed = grammar.compose(frames, per_phrasing=4, passages=list(passages()), seed=seed)
    examples = [*composed, *read_labelled(paths)]
    utterances = [*grammar.compose_utterances(40, seed=seed), *passages()]
    console.log(f"{len(examples)} instructions, {len({e.label for e in examples})} tasks")
    before = weights_of(Model())
    adapter = low_rank.extract(before, weights_of(train(examples, utterances, seed=seed)), rank=RANK)
    about = {
        "base": "all-MiniLM-L6-v2",
        "instructions": ", ".join(["recipes/task", *(path.name for path in paths)]),
        "seed": str(seed),
    }
    low_rank.save(low_rank.Adapter(adapter.factors, about), out)
    console.log(f"wrote {out}, {out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
