"""Contrastive fine-tuning on (text, property) pairs: batches, the trainer, early stopping, resuming."""

from __future__ import annotations

import dataclasses
import random
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from goalspace.encoders.minilm import find_device
from goalspace.encoders.protocol import Encoder
from goalspace.encoders.registry import get_encoder
from goalspace.encoders.sentence import quiet
from goalspace.errors import require
from goalspace.files import digest
from goalspace.training.checkpoints import (
    Checkpoints,
    State,
    load_trained,
    put_weights,
    save_trained,
    trained_weights,
)
from goalspace.training.groups import clean, group_pairs, split_groups
from goalspace.training.losses import info_nce, supervised_contrastive
from goalspace.training.negatives import HardBatches, ShuffledBatches
from goalspace.training.settings import Settings
from goalspace.training.tuning import Student, TrainedEncoder, TrainedPrompted, make_student

if TYPE_CHECKING:
    import torch

    from goalspace.training.pairs import Pairs


Report = Callable[[int, int], object]
Rows = list[dict[str, Any]]

_LOOKS_PER_EPOCH = 4  # how often the loss of the held-out texts is measured
_PATIENCE = 2  # looks without a better loss before training stops
_CPU_CHUNK = 16  # texts: on a processor, padding to the longest of a batch costs more than small chunks do


def fine_tune(
    encoder: str | Encoder,
    pairs: Pairs,
    settings: Settings,
    *,
    checkpoints: Path | None,
    report: Report | None,
) -> TrainedEncoder | TrainedPrompted:
    """See `goalspace.training.train`."""
    for module in ("accelerate", "datasets"):
        require(module, extra="tune")
    found = get_encoder(encoder)
    names = tuple(clean(name) for name in pairs.properties)
    groups = group_pairs(pairs)
    call = digest(found.name, groups, names, dataclasses.asdict(settings))
    store = None if checkpoints is None else Checkpoints(Path(checkpoints).expanduser(), call)
    with quiet(), _random_state_kept():
        import torch

        torch.manual_seed(settings.seed)  # of adapters
        student = make_student(
            found,
            settings.tune,
            rank=settings.rank,
            max_tokens=settings.max_tokens,
            strings=[*(row["text"] for row in groups), *names],
        )
        state = None if store is None else store.result()
        if state is None:
            state = _run(student, groups, names, settings, store, report)
        weights = state.best or trained_weights(student.model)
        put_weights(student.model, weights)
        if store is not None:
            store.finish(weights, state.losses)
        mark = digest(*(array.float().numpy() for array in weights.values()))[:8]
        return student.finish(f"{found.name}, fine-tuned {mark}", state.losses)


def _run(
    student: Student,
    groups: Rows,
    names: Sequence[str],
    settings: Settings,
    store: Checkpoints | None,
    report: Report | None,
) -> State:
    """Train from the beginning, or from the newest checkpoint."""
    kept, held = split_groups(groups, held_out=settings.held_out, seed=settings.seed, by=settings.split)
    batches = make_batches(kept, names, settings, epochs=settings.epochs)
    since = None if store is None else store.latest()
    state = State([], None) if store is None or since is None else store.read(since)
    if _has_stalled(state.losses):  # killed between the last checkpoint and the end
        return state
    watch = _make_watch(state, student.model, store, report)
    with tempfile.TemporaryDirectory() as temporary:
        from sentence_transformers import SentenceTransformerTrainingArguments

        arguments = SentenceTransformerTrainingArguments(
            output_dir=temporary if store is None else str(store.folder),
            num_train_epochs=1,  # the batches of all epochs are one sequence: a resumed training skips its beginning
            per_device_train_batch_size=settings.batch_size,
            per_device_eval_batch_size=settings.batch_size,
            learning_rate=settings.rate,
            warmup_steps=max(1, len(batches) // 10),
            eval_strategy="steps" if held else "no",
            eval_steps=max(1, batches.per_epoch // _LOOKS_PER_EPOCH),
            eval_on_start=bool(held) and since is None,
            save_strategy="no",  # the watch says when
            save_total_limit=2,  # the older one stays until the newer one is whole
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
            dataloader_pin_memory=find_device() == "cuda",
            seed=settings.seed,
        )
        trainer = _make_trainer(
            student,
            arguments,
            (kept, held),
            (batches, make_batches(held, names, settings, epochs=1)),
            loss=_make_loss(student.model, settings),
            collate=Collator(names, student.tokenize),
            watch=watch,
        )
        trainer.train(resume_from_checkpoint=None if since is None else str(since))
    return cast(State, watch.state)


def make_batches(
    groups: Sequence[Mapping[str, Any]], names: Sequence[str], settings: Settings, *, epochs: int
) -> ShuffledBatches:
    """Batches of rows as the settings want them."""
    more = {"batch_size": settings.batch_size, "epochs": epochs, "seed": settings.seed}
    if settings.hard_negatives and groups:
        return HardBatches(groups, names, **more)
    return ShuffledBatches(len(groups), **more)


class Collator:
    """Makes batches: the features of the texts, of all their properties, and `label`, which text has which.

    `label` is (n_texts, n_properties) bool over the batch. A property that several texts have is there once,
    so the same property is never its own negative.
    """

    valid_label_columns = ("label",)  # the trainer asks for it

    def __init__(self, properties: Sequence[str], tokenize: Callable[[list[str]], dict[str, Any]]) -> None:
        self.properties = properties
        self.tokenize = tokenize

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


def embed(model: Any, features: Mapping[str, Any], chunk: int | None = None) -> torch.Tensor:
    """Run a model on a batch, with gradients.

    Parameters
    ----------
    model
        A SentenceTransformer.
    features
        A row per text.
    chunk
        Sort the texts by length and read so many at a time, without the padding that only longer ones need.

    Returns
    -------
    (n_texts, dim), rows of length 1.
    """
    import torch
    from torch.nn import functional

    mask = features.get("attention_mask")
    if chunk is None or mask is None or len(mask) <= chunk:
        return functional.normalize(model(dict(features))["sentence_embedding"], dim=1)
    order = mask.sum(dim=1).argsort(stable=True)
    found = []
    for rows in order.split(chunk):
        used = mask[rows].any(dim=0)  # on whichever side the padding is
        part = {
            key: value[rows][:, used]
            if torch.is_tensor(value) and value.shape == mask.shape
            else value[rows]
            if torch.is_tensor(value)
            else value
            for key, value in features.items()
        }
        found.append(model(part)["sentence_embedding"])
    return functional.normalize(torch.cat(found)[order.argsort()], dim=1)


def _make_loss(model: Any, settings: Settings) -> Any:
    import torch

    class Loss(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, features: Sequence[dict[str, Any]], labels: torch.Tensor) -> torch.Tensor:
            if not settings.dropout:
                self.model.eval()  # which turns off nothing else that these models have
            chunk = _CPU_CHUNK if labels.device.type == "cpu" else None
            texts, names = (embed(self.model, part, chunk) for part in features)
            loss = info_nce(texts @ names.T, labels, settings.temperature)
            if settings.between_texts:
                loss = loss + supervised_contrastive(texts @ texts.T, labels, settings.temperature)
            return loss

    return Loss()


def _make_trainer(
    student: Student,
    arguments: Any,
    rows: tuple[Rows, Rows],
    batches: tuple[ShuffledBatches, ShuffledBatches],
    *,
    loss: Any,
    collate: Collator,
    watch: Any,
) -> Any:
    """Make the trainer of sentence-transformers, for rows to train on and held-out ones, and batches of both."""
    import datasets
    from sentence_transformers import SentenceTransformerTrainer
    from transformers import PrinterCallback

    class Trainer(SentenceTransformerTrainer):
        def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
            """Write no model card: it tokenises the texts anew and shows a progress bar."""

        def get_batch_sampler(self, dataset: Any, *args: Any, **more: Any) -> Any:
            return batches[0 if dataset is self.train_dataset else 1]

        # of the model, checkpoints hold the trained weights alone, and nothing of the trainer that is pickled
        def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
            save_trained(self.model, Path(str(output_dir)))

        def _load_from_checkpoint(self, checkpoint: str, model: Any = None) -> None:
            load_trained(self.model, Path(checkpoint))

    kept, held = rows
    trainer = Trainer(
        model=student.model,
        args=arguments,
        train_dataset=datasets.Dataset.from_list(kept),
        eval_dataset=datasets.Dataset.from_list(held) if held else None,
        loss=loss,
        data_collator=cast(Any, collate),
        callbacks=[watch],
    )
    trainer.remove_callback(PrinterCallback)  # prints every loss
    return trainer


def _make_watch(state: State, model: Any, store: Checkpoints | None, report: Report | None) -> Any:
    from transformers import TrainerCallback

    class Watch(TrainerCallback):
        """Keeps the weights with the lowest held-out loss in memory, stops when it stops falling, and saves."""

        def __init__(self) -> None:
            self.state = state

        def on_evaluate(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            losses = [*self.state.losses, (state.global_step, float(more["metrics"]["eval_loss"]))]
            is_best = _best_look(losses) == len(losses) - 1
            self.state = State(losses, trained_weights(model) if is_best else self.state.best)
            control.should_training_stop |= _has_stalled(losses)

        def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            if report is not None:
                report(state.global_step, state.max_steps)
            control.should_save = store is not None and store.is_due()

        def on_save(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            if store is not None:
                store.complete(state.global_step, self.state)

    return Watch()


def _best_look(losses: Sequence[tuple[int, float]]) -> int:
    return min(range(len(losses)), key=lambda look: losses[look][1])


def _has_stalled(losses: Sequence[tuple[int, float]]) -> bool:
    return bool(losses) and len(losses) - 1 - _best_look(losses) >= _PATIENCE


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
