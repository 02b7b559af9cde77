"""The kinds of tuning, by all weights, adapters or a linear map, and the encoders they produce."""

from __future__ import annotations

import copy
import dataclasses
import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from goalspace.encoders.hidden import HiddenStates
from goalspace.encoders.minilm import MiniLM
from goalspace.encoders.prompted import PromptedEncoder
from goalspace.encoders.protocol import Encoder, encode_in_chunks
from goalspace.encoders.sentence import SentenceEncoder, load_model, quiet
from goalspace.errors import InputError, require
from goalspace.training.settings import Tune

Losses = Sequence[tuple[int, float]]


class TrainedEncoder(SentenceEncoder):
    """A fine-tuned sentence-transformers encoder.

    Attributes
    ----------
    losses
        (step, loss of the held-out texts) during training, starting at step 0; empty if none were held out. The
        weights are those with the lowest loss.
    """

    def __init__(self, model: Any, name: str, losses: Losses) -> None:
        super().__init__(model, name=name)
        self.losses = tuple(losses)


class TrainedPrompted(PromptedEncoder):
    """A fine-tuned language model with the template, pooling and length of the original encoder.

    Parameters
    ----------
    encoder
        The original encoder, which defines the prompts.
    states
        The fine-tuned model.

    Attributes
    ----------
    losses
        As in `TrainedEncoder`.
    """

    def __init__(self, encoder: PromptedEncoder, states: HiddenStates) -> None:
        self.__dict__.update(encoder.__dict__)
        self.__dict__.pop("states", None)
        self._states = states
        self.n_cut = 0
        self.losses: tuple[tuple[int, float], ...] = ()

    @cached_property
    def states(self) -> HiddenStates:
        """The model."""
        return self._states

    def tokenize(self, texts: Sequence[str]) -> dict[str, Any]:
        """Return token ids of prompts, the attention mask and the pooling mask: (n_texts, longest) each."""
        import torch

        prompts = self._tokenise(texts)
        size = len(self._prefix)
        skipped = [size if len(ids) > size and ids[:size] == self._prefix else 0 for ids in prompts]
        parts = {
            "input_ids": [torch.tensor(ids) for ids in prompts],
            "attention_mask": [torch.ones(len(ids), dtype=torch.long) for ids in prompts],
            "pooled_mask": [
                (torch.arange(len(ids)) >= skip).long() for ids, skip in zip(prompts, skipped, strict=True)
            ],
        }
        return {key: torch.nn.utils.rnn.pad_sequence(rows, batch_first=True) for key, rows in parts.items()}

    def make_module(self) -> Any:
        """Make a module that pools the model's states like `encode`, but with gradients."""
        import torch

        from goalspace.encoders.pooling import pool_tokens

        states, pooling = self.states, self._pooling()
        layers = pooling.resolve(states.n_layers)
        more = {"use_cache": False} if states.can_share else {}

        class Prompted(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.model = states.model

            def forward(self, features: dict[str, Any]) -> dict[str, Any]:
                hidden_states = self.model(
                    input_ids=features["input_ids"],
                    attention_mask=features["attention_mask"],
                    output_hidden_states=True,
                    **more,
                ).hidden_states
                mask = features["pooled_mask"]
                pooled = torch.stack(
                    [pool_tokens(hidden_states[layer], mask, pooling.tokens) for layer in layers]
                )
                return {**features, "sentence_embedding": pooled.mean(dim=0)}

        return Prompted()

    def save(self, folder: str | Path) -> None:
        """Write a Hugging Face folder, which `get_encoder` opens as ``pie:FOLDER``.

        The folder holds only the model; pass a non-default template and pooling again when opening it.
        """
        with quiet():
            self.states.model.save_pretrained(str(folder))
            self.states.tokenizer.save_pretrained(str(folder))


class Student(ABC):
    """An encoder in training.

    Attributes
    ----------
    model
        A SentenceTransformer; parameters that require gradients are trained.
    """

    model: Any

    @abstractmethod
    def tokenize(self, texts: Sequence[str]) -> dict[str, Any]:
        """Return the features of texts that the model takes."""

    @abstractmethod
    def finish(self, name: str, losses: Losses) -> TrainedEncoder | TrainedPrompted:
        """Return the trained encoder; the student must not be used afterwards."""


class SentenceStudent(Student):
    """A copy of a sentence-transformers model, tuned by all weights or by adapters of its transformer."""

    def __init__(self, model: Any, rank: int | None, max_tokens: int | None) -> None:
        self.model = model
        self._longest = model.max_seq_length
        if max_tokens is not None:
            model.max_seq_length = min(max_tokens, self._longest or max_tokens)
        self._adapted = None
        if rank is not None:
            if not hasattr(model[0], "auto_model"):
                raise InputError("lora requires a transformer, which this encoder is not: use full.")
            model.requires_grad_(False)
            self._adapted = _adapt(model[0].auto_model, rank)

    def tokenize(self, texts: Sequence[str]) -> dict[str, Any]:
        """Return token ids and mask."""
        features: dict[str, Any] = self.model.preprocess(list(texts))
        return features

    def finish(self, name: str, losses: Losses) -> TrainedEncoder:
        """Merge the adapters."""
        if self._adapted is not None:
            self._adapted.merge_and_unload()
        self.model.max_seq_length = self._longest
        return TrainedEncoder(self.model.requires_grad_(True).eval(), name, losses)


class PromptedStudent(Student):
    """A copy of a language model, tuned by all weights or by adapters."""

    def __init__(self, encoder: PromptedEncoder, rank: int | None, max_tokens: int | None) -> None:
        if encoder.dtype == "int8":
            raise InputError(f"The encoder '{encoder.name}' cannot be fine-tuned as int8: use float32.")
        model, blocks = copy.deepcopy((encoder.states.model, encoder.states.blocks))
        if rank is None:
            model.float()  # half precision is too coarse for the steps; adapters are always float32
        states = dataclasses.replace(encoder.states, model=model, blocks=blocks)
        self._trained = TrainedPrompted(encoder, states)
        self._longest = encoder.max_tokens
        self._trained.max_tokens = min(max_tokens or self._longest, self._longest)
        model.requires_grad_(rank is None)
        if encoder.path.is_file():  # GGUF, which transformers dequantises but would refuse to save
            model.hf_quantizer.remove_quantization_config(model)
        self._adapted = None if rank is None else _adapt(model, rank)
        self.model = _in_sequence([self._trained.make_module()])

    def tokenize(self, texts: Sequence[str]) -> dict[str, Any]:
        """Return token ids and masks of the prompts."""
        return self._trained.tokenize(texts)

    def finish(self, name: str, losses: Losses) -> TrainedPrompted:
        """Merge the adapters."""
        if self._adapted is not None:
            self._adapted.merge_and_unload()
        trained = self._trained
        trained.states.model.requires_grad_(True).eval()
        trained.max_tokens, trained.n_cut = self._longest, 0
        trained.name, trained.losses = name, tuple(losses)
        return trained


class MapStudent(Student):
    """A linear map, initially the identity, on the vectors of a frozen model, which are computed once."""

    def __init__(self, encoder: Encoder, frozen: Any, strings: Sequence[str]) -> None:
        import torch
        from sentence_transformers.sentence_transformer.modules import Dense

        self._frozen = frozen
        self._row = {string: row for row, string in enumerate(dict.fromkeys(strings))}
        self._vectors = torch.from_numpy(encode_in_chunks(encoder, list(self._row)))
        # without a bias the length of a vector does not matter; the frozen model may not normalise
        self._map = Dense(encoder.dim, encoder.dim, bias=False, activation_function=torch.nn.Identity())
        torch.nn.init.eye_(self._map.linear.weight)
        self.model = _in_sequence([self._map])

    def tokenize(self, texts: Sequence[str]) -> dict[str, Any]:
        """Return the vectors of the frozen model."""
        return {"sentence_embedding": self._vectors[[self._row[text] for text in texts]]}

    def finish(self, name: str, losses: Losses) -> TrainedEncoder:
        """Append the map to the frozen model."""
        return TrainedEncoder(_in_sequence([*self._frozen, self._map]).eval(), name, losses)


def make_student(
    encoder: Encoder, tune: Tune, *, rank: int, max_tokens: int | None, strings: Sequence[str]
) -> Student:
    """Copy an encoder for training.

    Parameters
    ----------
    encoder
        The encoder, which is not modified.
    tune
        ``full``: all weights. ``lora``: low-rank adapters of all linear layers (Hu et al. 2021, arXiv 2106.09685).
        ``heads``: a linear map on top of the encoder.
    rank
        Rank of the ``lora`` matrices.
    max_tokens
        Texts are truncated to this many tokens in training; ``heads`` does not truncate.
    strings
        All texts and properties that training encodes.

    Raises
    ------
    InputError
        If the encoder does not support this kind of tuning.
    MissingDependency
        If a package required by the tuning is missing.
    """
    low_rank = rank if tune == "lora" else None
    if isinstance(encoder, PromptedEncoder) and tune != "heads":
        return PromptedStudent(encoder, low_rank, max_tokens)
    if isinstance(encoder, MiniLM):
        model = load_model(encoder.folder)
    elif isinstance(encoder, SentenceEncoder):
        model = copy.deepcopy(encoder.model)
    elif isinstance(encoder, PromptedEncoder):
        raise InputError(f"The encoder '{encoder.name}' cannot be tuned with heads: use lora or full.")
    else:
        raise InputError(
            f"The encoder '{encoder.name}' cannot be fine-tuned: use minilm, a sentence-transformers model or "
            "pie:FOLDER."
        )
    if tune == "heads":
        return MapStudent(encoder, model, strings)
    return SentenceStudent(model, low_rank, max_tokens)


def _adapt(transformer: Any, rank: int) -> Any:
    """Add adapters to a transformer, and return the wrapper that merges them."""
    peft = require("peft", extra="tune")
    settings = peft.LoraConfig(r=rank, lora_alpha=rank, lora_dropout=0.0, target_modules="all-linear")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peft warns about the transposed matrices of GPT-2, which it handles
        return peft.get_peft_model(transformer, settings)


def _in_sequence(modules: Sequence[Any]) -> Any:
    from sentence_transformers import SentenceTransformer

    from goalspace.encoders.torch_backend import find_device

    return SentenceTransformer(modules=list(modules), device=find_device())
