"""Contrastive fine-tuning of a sentence-transformers encoder on (text, property) pairs."""

from __future__ import annotations

import copy
import random
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from goalspace.encoders import Encoder, get_encoder
from goalspace.encoders.minilm import MiniLM, find_device
from goalspace.encoders.sentence import SentenceEncoder, load_model, quiet
from goalspace.errors import InputError, require

if TYPE_CHECKING:
    import torch

    from goalspace.training import Pairs

Report = Callable[[int, int], object]

_FEWEST_TO_SPLIT = 20  # texts
_LOOKS_PER_EPOCH = 4  # how often the loss of the held-out texts is measured
_PATIENCE = 2  # looks without a better loss before training stops
_MASKED = -1e4  # exp(_MASKED) is 0, and unlike -inf it leaves no NaN when a text has no negative


class TrainedEncoder(SentenceEncoder):
    """A fine-tuned encoder.

    Attributes
    ----------
    losses
        (step, loss of the held-out texts) as measured during training, step 0 first; empty when none was
        held out. The weights are those of the lowest loss.
    """

    def __init__(self, model: Any, name: str, losses: Sequence[tuple[int, float]]) -> None:
        super().__init__(model, name=name)
        self.losses = tuple(losses)


def fine_tune(
    encoder: str | Encoder,
    pairs: Pairs,
    *,
    epochs: int,
    temperature: float,
    seed: int,
    batch_size: int,
    learning_rate: float,
    held_out: float,
    report: Report | None,
) -> TrainedEncoder:
    """See `goalspace.training.train`."""
    require("accelerate", extra="tune")
    datasets = require("datasets", extra="tune")
    found = get_encoder(encoder)
    groups = group_pairs(pairs)
    train_groups, held_groups = split_groups(groups, held_out=held_out, seed=seed)
    with quiet(), _random_state_kept(), tempfile.TemporaryDirectory() as folder:
        from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
        from transformers import PrinterCallback

        class Trainer(SentenceTransformerTrainer):
            def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
                """Write no model card: it tokenises the texts anew and shows a progress bar."""

        model = _copy_model(found)
        steps_per_epoch = -(-len(train_groups) // batch_size)
        arguments = SentenceTransformerTrainingArguments(
            output_dir=folder,
            num_train_epochs=epochs,
            per_device_train_batch_size=batch_size,
            per_device_eval_batch_size=batch_size,
            learning_rate=learning_rate,
            warmup_steps=max(1, epochs * steps_per_epoch // 10),
            eval_strategy="steps" if held_groups else "no",
            eval_steps=max(1, steps_per_epoch // _LOOKS_PER_EPOCH),
            eval_on_start=bool(held_groups),
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
            dataloader_pin_memory=find_device() == "cuda",
            seed=seed,
        )
        watch = _make_watch(report)
        trainer = Trainer(
            model=model,
            args=arguments,
            train_dataset=datasets.Dataset.from_list(train_groups),
            eval_dataset=datasets.Dataset.from_list(held_groups) if held_groups else None,
            loss=_make_loss(model, temperature),
            data_collator=cast(Any, Collator(pairs.properties, model)),
            callbacks=[watch],
        )
        trainer.remove_callback(PrinterCallback)  # prints every loss
        trainer.train()
        if watch.best is not None:
            model.load_state_dict(watch.best)
    return TrainedEncoder(model.eval(), f"{found.name}, fine-tuned", watch.losses)


def group_pairs(pairs: Pairs) -> list[dict[str, Any]]:
    """Gather the properties of every text: rows of {"text": str, "properties": sorted positions}.

    Equal strings count as one text or one property, whatever their positions.

    Raises
    ------
    InputError
        If there are fewer than two texts or two properties in the pairs.
    """
    first: dict[str, int] = {}
    canonical = [first.setdefault(name, position) for position, name in enumerate(pairs.properties)]
    groups: dict[str, set[int]] = {}
    for text, name in zip(pairs.text_index.tolist(), pairs.property_index.tolist(), strict=True):
        groups.setdefault(pairs.texts[text], set()).add(canonical[name])
    if len(groups) < 2 or len(set().union(*groups.values())) < 2:
        raise InputError("Training needs pairs of at least two texts and two properties.")
    return [{"text": text, "properties": sorted(names)} for text, names in groups.items()]


def split_groups(
    groups: Sequence[dict[str, Any]], *, held_out: float, seed: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Split by text into those to train on and those to hold out; a batch of one text would say nothing."""
    n_held = round(held_out * len(groups))
    if len(groups) < _FEWEST_TO_SPLIT or n_held < 2:
        return list(groups), []
    order = np.random.default_rng(seed).permutation(len(groups))
    return [groups[i] for i in np.sort(order[n_held:])], [groups[i] for i in np.sort(order[:n_held])]


class Collator:
    """Makes batches: the tokens of the texts, of all their properties, and `label`, which text has which.

    `label` is (n_texts, n_properties) bool over the batch. A property that several texts have is there once,
    so the same property is never its own negative.
    """

    valid_label_columns = ("label",)  # the trainer asks for it

    def __init__(self, properties: Sequence[str], model: Any) -> None:
        self.properties = properties
        self.tokenize = getattr(model, "preprocess", None) or model.tokenize  # renamed in version 5.4

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        import torch

        columns = sorted({name for row in rows for name in row["properties"]})
        has = torch.tensor([[name in set(row["properties"]) for name in columns] for row in rows])
        texts = self.tokenize([row["text"] for row in rows])
        names = self.tokenize([self.properties[name] for name in columns])
        return {
            **{f"text_{key}": value for key, value in texts.items()},
            **{f"property_{key}": value for key, value in names.items()},
            "label": has,
        }


def info_nce(cosines: torch.Tensor, has: torch.Tensor, temperature: float) -> torch.Tensor:
    """Compute −log(e^s / (e^s + Σ e^s⁻)) averaged over all pairs, with s = cosine / temperature.

    Parameters
    ----------
    cosines
        (n_texts, n_properties).
    has
        The same shape, bool: the pairs. The negatives s⁻ of a text are the properties that it has not.
    temperature
        Smaller tells the nearest negatives apart more sharply.

    Returns
    -------
    A number, in nats (van den Oord et al. 2018, arXiv 1807.03748, eq. 4).
    """
    from torch.nn import functional

    scores = cosines / temperature
    negatives = scores.masked_fill(has, _MASKED).logsumexp(dim=1, keepdim=True)
    return functional.softplus(negatives - scores)[has].mean()


def _make_loss(model: Any, temperature: float) -> Any:
    import torch
    from torch.nn import functional

    class Loss(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, features: Sequence[dict[str, Any]], labels: torch.Tensor) -> torch.Tensor:
            texts, names = (
                functional.normalize(self.model(part)["sentence_embedding"], dim=1) for part in features
            )
            return info_nce(texts @ names.T, labels, temperature)

    return Loss()


def _make_watch(report: Report | None) -> Any:
    from transformers import TrainerCallback

    class Watch(TrainerCallback):
        """Keeps the weights with the lowest held-out loss in memory, and stops when it stops falling."""

        def __init__(self) -> None:
            self.losses: list[tuple[int, float]] = []
            self.best: dict[str, Any] | None = None

        def on_evaluate(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            loss = float(more["metrics"]["eval_loss"])
            if not self.losses or loss < min(earlier for _, earlier in self.losses):
                self.best = {key: value.clone() for key, value in more["model"].state_dict().items()}
                self.best_look = len(self.losses)
            self.losses.append((state.global_step, loss))
            if len(self.losses) - 1 - self.best_look >= _PATIENCE:
                control.should_training_stop = True

        def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            if report is not None:
                report(state.global_step, state.max_steps)

    return Watch()


def _copy_model(encoder: Encoder) -> Any:
    if isinstance(encoder, MiniLM):
        return load_model(encoder.folder)
    if isinstance(encoder, SentenceEncoder):
        return copy.deepcopy(encoder.model)
    raise InputError(
        f"The encoder '{encoder.name}' cannot be fine-tuned: use minilm or a sentence-transformers model."
    )


@contextmanager
def _random_state_kept() -> Iterator[None]:
    """Undo what the trainer's own seeding does to the process."""
    import torch

    python, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng():
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(legacy)  # noqa: NPY002
