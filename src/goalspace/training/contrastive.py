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

_EVALUATIONS_PER_EPOCH = 4  # evaluations of the held-out loss per epoch
_PATIENCE = 2  # evaluations without improvement before training stops
_CPU_CHUNK = 16  # texts: on a CPU, padding a whole batch to its longest text costs more than small chunks


def fine_tune(
    encoder: str | Encoder,
    pairs: Pairs,
    settings: Settings,
    *,
    checkpoints: Path | None,
    report: Report | None,
) -> TrainedEncoder | TrainedPrompted:
    """See `goalspace.training.train`."""
    for module in ("accelerate", "datasets", "sentence_transformers"):
        require(module, extra="tune")
    base = get_encoder(encoder)
    names = tuple(clean(name) for name in pairs.properties)
    groups = group_pairs(pairs)
    call = digest(base.name, groups, names, dataclasses.asdict(settings))
    store = None if checkpoints is None else Checkpoints(Path(checkpoints).expanduser(), call)
    with quiet(), _random_state_kept():
        import torch

        torch.manual_seed(settings.seed)  # for the initial adapters
        student = make_student(
            base,
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
        return student.finish(f"{base.name}, fine-tuned {mark}", state.losses)


def _run(
    student: Student,
    groups: Rows,
    names: Sequence[str],
    settings: Settings,
    store: Checkpoints | None,
    report: Report | None,
) -> State:
    """Train from scratch or from the newest checkpoint."""
    kept, held = split_groups(groups, held_out=settings.held_out, seed=settings.seed, by=settings.split)
    batches = make_batches(kept, names, settings, epochs=settings.epochs)
    since = None if store is None else store.latest()
    state = State([], None) if store is None or since is None else store.read(since)
    if _has_stalled(state.losses):  # killed between the last checkpoint and the end
        return state
    watch = _make_watch(state, student.model, store, report)
    with tempfile.TemporaryDirectory() as temporary:
        from sentence_transformers import SentenceTransformerTrainingArguments

        from goalspace.encoders.torch_backend import find_device

        arguments = SentenceTransformerTrainingArguments(
            output_dir=temporary if store is None else str(store.folder),
            num_train_epochs=1,  # the batches of all epochs form one sequence, so that a resumed training can skip its start
            per_device_train_batch_size=settings.batch_size,
            per_device_eval_batch_size=settings.batch_size,
            learning_rate=settings.rate,
            warmup_steps=max(1, len(batches) // 10),
            eval_strategy="steps" if held else "no",
            eval_steps=max(1, batches.per_epoch // _EVALUATIONS_PER_EPOCH),
            eval_on_start=bool(held) and since is None,
            save_strategy="no",  # the watch decides when
            save_total_limit=2,  # the older one stays until the newer one is complete
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
    """Make the batches of rows that the settings ask for."""
    more = {"batch_size": settings.batch_size, "epochs": epochs, "seed": settings.seed}
    if settings.hard_negatives and groups:
        return HardBatches(groups, names, **more)
    return ShuffledBatches(len(groups), **more)


class Collator:
    """Makes batches of the features of texts, the features of all their properties, and `label`.

    `label` is (n_texts, n_properties) bool: which text of the batch has which property. A property shared by several
    texts occurs once, so it is never its own negative.
    """

    valid_label_columns = ("label",)  # required by the trainer

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
        Features with one row per text.
    chunk
        Sort the texts by length and encode this many at a time, to avoid padding to the longest of the batch.

    Returns
    -------
    (n_texts, dim), rows of unit length.
    """
    import torch
    from torch.nn import functional

    mask = features.get("attention_mask")
    if chunk is None or mask is None or len(mask) <= chunk:
        return functional.normalize(model(dict(features))["sentence_embedding"], dim=1)
    order = mask.sum(dim=1).argsort(stable=True)
    vectors = []
    for rows in order.split(chunk):
        used = mask[rows].any(dim=0)  # padding may be on either side
        part = {
            key: value[rows][:, used]
            if torch.is_tensor(value) and value.shape == mask.shape
            else value[rows]
            if torch.is_tensor(value)
            else value
            for key, value in features.items()
        }
        vectors.append(model(part)["sentence_embedding"])
    return functional.normalize(torch.cat(vectors)[order.argsort()], dim=1)


def _make_loss(model: Any, settings: Settings) -> Any:
    import torch

    class Loss(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, features: Sequence[dict[str, Any]], labels: torch.Tensor) -> torch.Tensor:
            if not settings.dropout:
                self.model.eval()  # dropout is the only thing this turns off in these models
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
    """Make the sentence-transformers trainer for training and held-out rows, with the batches of both."""
    import datasets
    from sentence_transformers import SentenceTransformerTrainer
    from transformers import PrinterCallback

    class Trainer(SentenceTransformerTrainer):
        def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
            """Write no model card, which would tokenise all texts again and show a progress bar."""

        def get_batch_sampler(self, dataset: Any, *args: Any, **more: Any) -> Any:
            return batches[0 if dataset is self.train_dataset else 1]

        # checkpoints hold only the trainable weights of the model, and no pickled state of the trainer
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
        """Keeps the weights with the lowest held-out loss, stops training when it stops falling, and saves."""

        def __init__(self) -> None:
            self.state = state

        def on_evaluate(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            losses = [*self.state.losses, (state.global_step, float(more["metrics"]["eval_loss"]))]
            is_best = _best_evaluation(losses) == len(losses) - 1
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


def _best_evaluation(losses: Sequence[tuple[int, float]]) -> int:
    return min(range(len(losses)), key=lambda i: losses[i][1])


def _has_stalled(losses: Sequence[tuple[int, float]]) -> bool:
    return bool(losses) and len(losses) - 1 - _best_evaluation(losses) >= _PATIENCE


@contextmanager
def _random_state_kept() -> Iterator[None]:
    """Restore the random state of the process, which the trainer seeds."""
    import torch

    python, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng():
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(legacy)  # noqa: NPY002
