"""The peers that ask an LLM, TopicGPT and LLooM, with recorded replies: functions as in `bench.kit.peers`.

pip cannot resolve either package together with goalspace (see pyproject.toml); install them with:

    pip install -e '.[bench,bench-topicgpt,bench-lloom]'
    pip install --no-deps topicgpt_python==0.2.7 text_lloom==0.8.2.1
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import re
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import numpy as np

from bench.kit import recorded_replies
from bench.kit.datasets import embed
from bench.kit.peers import Fitted, fitted_by_argmax, quiet


def topicgpt(texts: Sequence[str], vectors: np.ndarray, recorded: Mapping[str, Sequence[str]]) -> Fitted:
    """TopicGPT with recorded properties (by text) in place of its LLM; it chooses the number of topics.

    Runs generation, refinement with removal of rare topics, and assignment, through the files of the package. A text
    scores 1 in its assigned topics, the first of which is dominant. New texts are assigned to the same topics.
    """
    _check_recorded("topicgpt", texts, recorded)
    replies = recorded_replies.RecordedReplies(recorded)
    with tempfile.TemporaryDirectory() as made, _topicgpt(replies) as package:
        folder = Path(made)
        generation, refinement = folder / "generation.txt", folder / "refinement.txt"
        generation.write_text(recorded_replies.GENERATION, encoding="utf-8")
        refinement.write_text(recorded_replies.REFINEMENT, encoding="utf-8")
        data, generated, updated = folder / "data.jsonl", folder / "1.jsonl", folder / "2.jsonl"
        raw, kept = folder / "1.md", folder / "2.md"
        _write_texts(data, texts)
        package.generate_topic_lvl1("openai", "recorded", data, generation, "", generated, raw, False)
        package.refine_topics(
            "openai",
            "recorded",
            refinement,
            generated,
            raw,
            kept,
            updated,
            verbose=False,
            remove=True,
            mapping_file=str(folder / "mapping.json"),
        )
        tree = kept.read_text(encoding="utf-8")
    topics = re.findall(r"^\[1\] ([\w\s]+) \(Count: ", tree, re.MULTILINE)
    index_of = {topic: i for i, topic in enumerate(topics)}

    def assign(new: Sequence[str]) -> list[list[int]]:
        """Return the topics of every text in reply order."""
        _check_recorded("topicgpt", new, recorded)
        with tempfile.TemporaryDirectory() as made, _topicgpt(replies) as package:
            names = ("prompt.txt", "data.jsonl", "topics.md", "assigned.jsonl")
            prompt, data, topics, out = (Path(made) / name for name in names)
            prompt.write_text(recorded_replies.ASSIGNMENT, encoding="utf-8")
            topics.write_text(tree, encoding="utf-8")
            _write_texts(data, new)
            package.assign_topics("openai", "recorded", data, prompt, out, topics, False)
            lines = out.read_text(encoding="utf-8").splitlines()
        return [
            [index_of[topic] for topic in recorded_replies.read_topics(json.loads(line)["responses"])]
            for line in lines
        ]

    def scores(assigned: Sequence[Sequence[int]]) -> np.ndarray:
        made = np.zeros((len(assigned), len(index_of)))
        for row, own in zip(made, assigned, strict=True):
            row[own] = 1
        return made

    assigned = assign(texts)
    dominant = np.array([own[0] for own in assigned])
    return Fitted(scores(assigned), dominant, lambda new, _: scores(assign(new)))


def lloom(
    texts: Sequence[str], vectors: np.ndarray, n_topics: int, recorded: Mapping[str, Sequence[str]]
) -> Fitted:
    """LLooM with recorded properties (by text) in place of its LLM, and MiniLM for its embeddings.

    The optional step that quotes the texts is left out, since no quotes were recorded. LLooM may form `n_topics` concepts
    per cluster of bullet points (it finds one cluster among 4,700) and selects as many overall. The scores are the grades
    0, ¼, … 1 of every text for every concept. Its UMAP is not seeded, so runs may differ.
    """
    _check_recorded("lloom", texts, recorded)
    replies = recorded_replies.RecordedReplies(recorded)
    with _silent():
        import nltk
        import pandas as pd

        # on import it downloads a model that splits sentences, for the step that is left out
        with mock.patch.object(nltk, "download"):
            from text_lloom import concept_induction, workbench

    def frame(of: Sequence[str]) -> Any:
        return pd.DataFrame({"doc_id": [str(i) for i in range(len(of))], "text": list(of)})

    def bullet(model: Any, text: str) -> tuple[np.ndarray, None]:
        return replies.vectors([text])[0], None

    async def induce() -> dict[str, Any]:
        minilm = workbench.EmbedModel("minilm", lambda key: None, bullet)
        parameters = {"filter_n_quotes": 1, "summ_n_bullets": 8, "synth_n_concepts": n_topics}
        async with _lloom_model(workbench.Model, replies.url) as llm:
            session = workbench.lloom(frame(texts), "text", "doc_id", llm, minilm, llm, llm)
            await session.gen(params=parameters, debug=False)
            await session.select_auto(n_topics)
        return {id: concept for id, concept in session.concepts.items() if concept.active}

    async def grade(of: Sequence[str]) -> Any:
        async with _lloom_model(workbench.Model, replies.url) as llm:
            return await concept_induction.score_concepts(
                frame(of), "text", "doc_id", concepts, llm, batch_size=50
            )

    def encode(new: Sequence[str], new_vectors: np.ndarray) -> np.ndarray:
        _check_recorded("lloom", new, recorded)
        with _silent(), replies:
            graded = asyncio.run(grade(new))
        wide = graded.pivot(index="doc_id", columns="concept_id", values="score")
        return np.asarray(wide.loc[[str(i) for i in range(len(new))], list(concepts)], dtype=float)

    with _silent(), replies:
        concepts = asyncio.run(induce())
    return fitted_by_argmax(encode(texts, vectors), encode)


@contextlib.asynccontextmanager
async def _lloom_model(model: Callable[..., Any], url: str) -> AsyncIterator[Any]:
    """A client for LLooM, whose own counts tokens with tiktoken, which downloads its vocabularies."""
    from openai import AsyncOpenAI

    gate = asyncio.Semaphore(16)  # LLooM sends all its requests at once

    async def ask(model: Any, prompt: str) -> tuple[str | None, tuple[int, int]]:
        messages = [{"role": "user", "content": prompt}]
        async with gate:
            found = await model.client.chat.completions.create(model=model.name, messages=messages)
        return found.choices[0].message.content, (0, 0)

    async with AsyncOpenAI(api_key="none", base_url=url) as client:
        yield model("recorded", lambda key: client, ask)


@contextlib.contextmanager
def _topicgpt(replies: recorded_replies.RecordedReplies) -> Iterator[ModuleType]:
    """The package topicgpt_python, with `replies` as its LLM and stand-ins for modules that are not available.

    On import it loads the clients of four services, including vllm, which needs CUDA, and downloads MiniLM. It counts
    tokens with tiktoken, which downloads its vocabularies, to shorten prompts that exceed the context; no prompt here
    comes near that.
    """
    import openai  # noqa: F401  # must precede the stand-ins
    import sentence_transformers

    absent = (
        "vllm",
        "vertexai",
        "vertexai.generative_models",
        "anthropic",
        "google",
        "google.generativeai",
        "google.generativeai.types",
    )
    needed = [name for name in absent if name not in sys.modules]
    with _silent(), replies:
        sys.modules.update({name: mock.MagicMock() for name in needed})
        try:
            with mock.patch.object(sentence_transformers, "SentenceTransformer", _ListEncoder):
                import topicgpt_python
        finally:
            for name in needed:
                del sys.modules[name]
        client = topicgpt_python.utils.APIClient
        endpoint = {"OPENAI_API_KEY": "none", "OPENAI_BASE_URL": replies.url}
        with (
            mock.patch.dict(os.environ, endpoint),
            mock.patch.object(client, "estimate_token_count", lambda self, prompt: len(prompt) // 4),
        ):
            yield topicgpt_python


class _ListEncoder:
    """The MiniLM of goalspace in place of the one that TopicGPT downloads."""

    def __init__(self, name: str, device: str | None = None) -> None:
        pass

    def encode(self, texts: str | Sequence[str], convert_to_tensor: bool = True) -> Any:
        """Return the vectors of topics; texts are embedded only to shorten a list that is too long."""
        import torch

        return None if isinstance(texts, str) else torch.from_numpy(embed(texts))


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Suppress stderr as well."""
    with quiet(), contextlib.redirect_stderr(io.StringIO()):
        yield


def _write_texts(path: Path, texts: Sequence[str]) -> None:
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")


def _check_recorded(peer: str, texts: Sequence[str], recorded: Mapping[str, Sequence[str]]) -> None:
    """Raise ValueError before any request: neither peer stops at a failed one, and TopicGPT waits a minute to retry."""
    missing = sum(not recorded.get(text) for text in texts)
    if missing:
        raise ValueError(
            f"{peer} requires recorded properties for every text; {missing} of {len(texts)} have none."
        )
