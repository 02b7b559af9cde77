"""Hidden states of a language model: loading, encoding a shared prefix once, stopping at a layer."""

from __future__ import annotations

import copy
import functools
import hashlib
import inspect
import io
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from goalspace.encoders.pooling import Tokens, pool_tokens
from goalspace.encoders.sentence import quiet
from goalspace.errors import InputError, require
from goalspace.llm.embedded import smollm2_path

if TYPE_CHECKING:
    import torch


Dtype = Literal["auto", "float32", "float16", "bfloat16", "int8"]
DTYPES: tuple[str, ...] = ("auto", "float32", "float16", "bfloat16", "int8")

SMOLLM2 = "smollm2"
# tokens per batch, padding included
_CPU_BATCH_TOKENS = 1024
_GPU_BATCH_TOKENS = 32 * 1024
_UNLIMITED = 1 << 20  # tokenisers without a limit claim 10**30 tokens


class _Enough(Exception):
    """Raised to stop the model after the highest layer that is needed."""


@dataclass(frozen=True, eq=False)
class HiddenStates:
    """A loaded model and its properties.

    Attributes
    ----------
    model, tokenizer
        Transformers objects; the model has no head.
    blocks
        The model's layers.
    dim
        Size of a hidden state.
    is_causal
        Whether a token attends only to the tokens before it.
    longest
        Maximum number of tokens of a prompt.
    """

    model: Any
    tokenizer: Any
    blocks: Any
    dim: int
    is_causal: bool
    longest: int
    _lock: threading.Lock = field(default_factory=threading.Lock)  # hooks apply to every run of the model

    @property
    def n_layers(self) -> int:
        """Number of layers; there is one more hidden state, the token embedding."""
        return len(self.blocks)

    @functools.cached_property
    def _cache_argument(self) -> str | None:
        """What the model calls the keys and values of tokens read before; transformers renamed it in version 5."""
        known = inspect.signature(self.model.forward).parameters
        return next((name for name in ("cache", "past_key_values") if name in known), None)

    @property
    def can_share(self) -> bool:
        """Whether a common prefix of prompts can be encoded once for all."""
        return self.is_causal and self._cache_argument is not None

    def pooled(
        self,
        prompts: Sequence[Sequence[int]],
        *,
        layers: Sequence[int],
        tokens: Tokens,
        prefix: Sequence[int] = (),
        skip: int = 0,
    ) -> np.ndarray:
        """Run the model up to the highest of `layers`, and pool the states of each prompt to one vector.

        Prompts are sorted by length and padded on the right: causal models do not attend to that padding, and
        positions are counted as in training.

        Parameters
        ----------
        prompts
            Token ids of each text, without those of `prefix`; never empty.
        layers
            Layers to pool, counted from 0, the token embedding.
        tokens
            Which tokens of a prompt are pooled; tokens of `prefix` never are.
        prefix
            Token ids that precede every prompt, encoded once; requires `can_share`.
        skip
            Number of tokens at the start of every prompt that are not pooled either.

        Returns
        -------
        (n_layers_asked, n_texts, dim) float32.
        """
        import torch

        pooled = np.empty((len(layers), len(prompts), self.dim), dtype=np.float32)
        device = self.model.device
        budget = _CPU_BATCH_TOKENS if device.type == "cpu" else _GPU_BATCH_TOKENS
        # longest first, so that running out of memory happens early
        order = np.argsort([-len(ids) for ids in prompts], kind="stable")
        start = 0
        with self._lock, torch.inference_mode():
            # at least the first layer, whose keys determine the positions of the following tokens
            read = self._read(prefix, max(1, *layers)) if prefix else None
            while start < len(order):
                # sorted, so the first prompt of a batch is the longest
                rows = order[start : start + max(1, budget // len(prompts[order[start]]))]
                start += len(rows)
                ids, mask = _pad([prompts[row] for row in rows])
                past = copy.deepcopy(read)  # the model appends to the cache
                if past is not None:
                    past.batch_repeat_interleave(len(rows))
                states = self._run(ids.to(device), mask.to(device), layers, tokens, past, skip)
                pooled[:, rows] = states.cpu().numpy()
        return pooled

    def _read(self, prefix: Sequence[int], top: int) -> Any:
        """Compute the keys and values of the prefix in the layers up to `top`."""
        import torch
        from transformers import DynamicCache

        past = DynamicCache()
        ids = torch.tensor([list(prefix)], device=self.model.device)
        self._run(ids, torch.ones_like(ids), [top], "last", past)
        return past

    def _run(
        self,
        ids: torch.Tensor,
        mask: torch.Tensor,
        layers: Sequence[int],
        tokens: Tokens,
        past: Any,
        skip: int = 0,
    ) -> torch.Tensor:
        """Pool the states of one batch: (n_layers_asked, n_texts, dim)."""
        import torch

        states_of: dict[int, torch.Tensor] = {}
        pooled = mask.clone()
        pooled[:, :skip] = 0

        def collect(layer: int, states: Any) -> None:
            states_of[layer] = pool_tokens(states[0] if isinstance(states, tuple) else states, pooled, tokens)
            if layer == max(layers):
                raise _Enough

        more: dict[str, Any] = {"attention_mask": mask}
        if past is not None:
            seen = mask.new_ones((len(ids), past.get_seq_length()))
            more = {"attention_mask": torch.cat([seen, mask], dim=1), str(self._cache_argument): past}
        if self.can_share:
            more["use_cache"] = past is not None
        with self._hooked({*layers}, collect):
            collect(self.n_layers, self.model(input_ids=ids, **more).last_hidden_state)
        return torch.stack([states_of[layer] for layer in layers])

    @contextmanager
    def _hooked(self, layers: set[int], collect: Any) -> Iterator[None]:
        """Pass the states of `layers` to `collect` while the model runs, until it raises `_Enough`."""

        def before(_: Any, unnamed: tuple[Any, ...], named: dict[str, Any]) -> None:
            collect(0, unnamed[0] if unnamed else named["hidden_states"])

        def after(layer: int, _: Any, __: Any, states: Any) -> None:
            collect(layer, states)

        hooks = [
            self.blocks[0].register_forward_pre_hook(before, with_kwargs=True)
            if layer == 0
            else self.blocks[layer - 1].register_forward_hook(functools.partial(after, layer))
            for layer in layers - {self.n_layers}  # the last state comes out of the final normalisation
        ]
        try:
            yield
        except _Enough:
            pass
        finally:
            for hook in hooks:
                hook.remove()


def _pad(prompts: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return token ids and mask, (n_texts, longest) each, of prompts padded on the right."""
    import torch

    sizes = torch.tensor([len(ids) for ids in prompts])
    padded = torch.zeros((len(prompts), int(sizes.max())), dtype=torch.long)
    for line, ids in zip(padded, prompts, strict=True):
        line[: len(ids)] = torch.tensor(ids)
    return padded, (torch.arange(padded.shape[1]) < sizes[:, None]).long()


# ---------------------------------------------------------------- loading


@functools.lru_cache(maxsize=1)  # templates are often compared on one model
def load_model(source: str, dtype: Dtype = "auto", mark: str = "") -> HiddenStates:
    """Load a language model onto the fastest device, without downloads or remote code.

    Parameters
    ----------
    source
        ``smollm2``, the folder of a Hugging Face model, or a GGUF file.
    dtype
        Precision: ``auto`` is float32 on a CPU, bfloat16 or float16 on a GPU; ``int8`` quantises the weights of
        linear layers, on a CPU only.
    mark
        The model's fingerprint; the last model stays cached as long as it does not change.

    Raises
    ------
    InputError
        If the model does not exist or cannot be read.
    MissingDependency
        If a package that the source needs is missing.
    """
    path = find_model(source)
    for module in ("torch", "transformers", "gguf") if path.is_file() else ("torch", "transformers"):
        require(module, extra="pie")
    from goalspace.encoders.torch_backend import find_device

    device = find_device()
    if dtype == "int8" and device != "cpu":
        raise InputError(f"The dtype int8 is for CPUs; this machine computes on {device}: use float16.")
    try:
        # no setting turns off the progress bar that transformers draws for GGUF files
        with quiet(), warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")  # warnings about the file format
            model, tokenizer = _open(path, _torch_dtype(dtype, device))
    except Exception as error:  # missing files, broken weights, unknown architecture
        reason = " ".join(str(error).split())[:200].rstrip(".")
        raise InputError(f"No language model could be loaded from '{source}': {reason}.") from error
    return _describe(source, model.to(device).eval(), tokenizer, dtype)


def find_model(source: str) -> Path:
    """Return the folder or GGUF file of a source.

    Raises
    ------
    InputError
        If there is none.
    """
    if source == SMOLLM2:
        return smollm2_path()
    path = Path(source).expanduser()
    if not (path / "config.json").is_file() and not (path.is_file() and path.suffix == ".gguf"):
        raise InputError(
            f"'{source}' is not a language model: give the folder of a Hugging Face model, which has a config.json, "
            "or a .gguf file."
        )
    return path


def fingerprint(path: Path) -> str:
    """Return eight hex digits that identify the weights, so that cached vectors are not used for another model."""
    files = [path]
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix in (".safetensors", ".bin", ".json"))
    state = hashlib.sha256()
    for file in files:
        size = file.stat().st_size
        state.update(f"{file.name} {size}\n".encode())
        with file.open("rb") as stream:
            for offset in (0, size // 2, max(0, size - (1 << 20))):
                stream.seek(offset)
                state.update(stream.read(1 << 20))
    return state.hexdigest()[:8]


def _open(path: Path, dtype: Any) -> tuple[Any, Any]:
    from transformers import AutoModel, AutoTokenizer

    more = {"gguf_file": path.name} if path.is_file() else {}
    folder = path.parent if path.is_file() else path
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False, **more)
    model = AutoModel.from_pretrained(
        folder, local_files_only=True, trust_remote_code=False, dtype=dtype, **more
    )
    return model, tokenizer


def _torch_dtype(dtype: Dtype, device: str) -> Any:
    import torch

    if dtype == "auto" and device == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return getattr(torch, "float32" if dtype in ("auto", "int8") else dtype)


def _describe(source: str, model: Any, tokenizer: Any, dtype: Dtype) -> HiddenStates:
    """Find the layers, and test whether a token attends to the tokens after it."""
    import torch

    n_layers = model.config.get_text_config().num_hidden_layers
    lists = (m for m in model.modules() if isinstance(m, torch.nn.ModuleList) and len(m) == n_layers)
    blocks = next(lists, None)
    if blocks is None or model.config.is_encoder_decoder:
        raise InputError(
            f"'{source}' is a {type(model).__name__}, which is not a causal or masked language model."
        )
    with torch.inference_mode():
        pairs = torch.tensor([[3, 4], [3, 5]], device=model.device)
        first, other = model(input_ids=pairs).last_hidden_state[:, 0].float()
    if dtype == "int8":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecation warnings of torch
            quantise: Any = torch.ao.quantization.quantize_dynamic
            model = quantise(model, {torch.nn.Linear}, dtype=torch.qint8)
        blocks = next(m for m in model.modules() if isinstance(m, torch.nn.ModuleList) and len(m) == n_layers)
    limits = (
        getattr(model.config.get_text_config(), "max_position_embeddings", None),
        tokenizer.model_max_length,
    )
    return HiddenStates(
        model,
        tokenizer,
        blocks,
        dim=len(first),
        is_causal=bool(torch.allclose(first, other, rtol=1e-2, atol=1e-3)),
        longest=int(min(limit for limit in (*limits, _UNLIMITED) if limit)),
    )
