"""Encoders behind endpoints: what is paid is counted, kept below a cap, stored, and not paid twice."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from goalspace.encoders.cache import cached, embed
from goalspace.encoders.registry import get_encoder
from goalspace.encoders.remote import RemoteEncoder
from goalspace.errors import CapReached, InputError, LLMError
from goalspace.llm.limits import Limits
from goalspace.llm.pricing import Prices
from goalspace.llm.spending import Ledger
from goalspace.proposals.plan import plan_vectors
from llm_server import EMBEDDINGS, Answer, LLMServer, failure

TEXTS = [f"text number {n}" for n in range(1000)]


class EmbeddingServer(LLMServer):
    """Answers requests for vectors with what a function of (the texts, the number of the request) returns, if anything."""

    def __init__(self, misbehave: Callable[[list[str], int], Answer | None] = lambda texts, n: None) -> None:
        super().__init__(embed=lambda text: [float(len(text)), 1.0])
        self.misbehave = misbehave
        self.billed: list[str] = []
        self._lock = threading.Lock()

    def answer(
        self, path: str, body: dict[str, Any], headers: dict[str, str], method: str = "POST"
    ) -> Answer:
        if path != EMBEDDINGS:
            return super().answer(path, body, headers, method)
        found = self.misbehave(body["input"], len(self.bodies(EMBEDDINGS)))
        if found is not None:
            return found
        with self._lock:
            self.billed += body["input"]
        return super().answer(path, body, headers, method)


def spent(folder: Path, server: LLMServer, limits: Limits | None = None) -> tuple[float, int]:
    limits = limits or Limits()
    with closing(Ledger(folder / "llm.sqlite", limits, Prices("model", server.url, limits.prices))) as ledger:
        return ledger.spent()


def prices(folder: Path) -> Path:
    path = folder / "prices.json"
    path.write_text('{"model": {"input": 1000, "output": 0}}', encoding="utf-8")
    return path


def test_vectors_are_counted_and_kept_below_a_cap(tmp_path: Path) -> None:
    limits = Limits(
        max_tokens_total=12_000, concurrency=2
    )  # 128 texts may take 10,000, and are billed with 384
    with EmbeddingServer() as server:
        with pytest.raises(CapReached, match=r"of 12,000 tokens .* larger limit; no text is sent twice"):
            embed(TEXTS, encoder=server.spec, limits=limits, cache_dir=tmp_path)
        paid = list(server.billed)
        assert 0 < len(paid) < len(TEXTS)
        assert spent(tmp_path, server)[1] == sum(len(text.split()) for text in paid) <= 12_000
        vectors = embed(TEXTS, encoder=server.spec, limits=Limits(), cache_dir=tmp_path)
        assert sorted(server.billed) == sorted(TEXTS)
        np.testing.assert_allclose(vectors[:, 0] / vectors[:, 1], [len(text) for text in TEXTS], rtol=1e-5)


@pytest.mark.parametrize("concurrency", [1, 4])
def test_no_text_is_paid_twice_after_a_cap(tmp_path: Path, concurrency: int) -> None:
    with EmbeddingServer() as server:
        caps = [12_000, 13_000, 14_000, 10**6]
        for cap in caps:
            limits = Limits(max_tokens_total=cap, concurrency=concurrency)
            try:
                cached(server.spec, tmp_path, limits=limits).encode(TEXTS)
            except CapReached:
                assert cap < 10**6
            assert spent(tmp_path, server)[1] <= cap
        assert sorted(server.billed) == sorted(TEXTS)


def test_a_budget_of_vectors_needs_a_price_and_a_folder(tmp_path: Path) -> None:
    with EmbeddingServer() as server:
        with pytest.raises(InputError, match="price of the model 'model'"):
            get_encoder(server.spec, limits=Limits(budget=1), cache_dir=tmp_path)
        with pytest.raises(InputError, match="cache_dir"):
            get_encoder(server.spec, limits=Limits(budget=1))
        limits = Limits(budget=1000, prices=prices(tmp_path))
        get_encoder(server.spec, limits=limits, cache_dir=tmp_path).encode(["one two three"])
        assert spent(tmp_path, server, limits) == (pytest.approx(0.003), 3)
        assert get_encoder("minilm", limits=Limits(budget=1)).name == "minilm"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (413, ""),
        (422, "batch size 128 > maximum allowed batch size 32"),
        (413, "`inputs` must have less than 512 tokens. Given: 600"),
        (400, "This model's maximum context length is 8192 tokens, however you requested 9000 tokens"),
        (400, "Requested 330000 tokens, max 300000 tokens per request"),
        (400, "Invalid 'input': array too long. Expected at most 2048 items"),
        (400, "BatchEmbedContentsRequest.requests: at most 100 requests can be in one batch"),
        (400, "The input token count (3000) exceeds the maximum number of tokens allowed (2048)."),
        (400, "Request payload size exceeds the limit: 36000 bytes."),
        (400, "Single text cannot exceed 8194 tokens. 9000 tokens given."),
        (422, "Input text exceeds maximum length of 8192 tokens"),
        (400, "invalid request: total number of texts must be at most 96 - received 128"),
        (400, "The max allowed tokens per submitted batch is 120000."),
        (400, "Too many inputs in request, split into more batches."),
        (400, "the input length exceeds the context length"),
        (500, "input is too large to process. increase the physical batch size"),
    ],
    ids=range(16),
)
def test_batches_that_are_too_much_are_halved(tmp_path: Path, status: int, words: str) -> None:
    def refuse(texts: list[str], n: int) -> Answer | None:
        return failure(status, words) if len(texts) > 40 or any(len(text) > 100 for text in texts) else None

    texts = [*TEXTS[:300], "long " * 60] if status != 422 else TEXTS[:300]
    with EmbeddingServer(refuse) as server:
        encoder = RemoteEncoder(server.spec, ledger_path=tmp_path / "llm.sqlite")
        vectors = encoder.encode(texts)
        assert spent(tmp_path, server)[1] == sum(len(text.split()) for text in server.billed)
    assert vectors.shape == (len(texts), 2)
    assert encoder.n_cut == len(texts) - 300
    assert sorted(server.billed)[:300] == sorted(TEXTS[:300]) or encoder.n_cut
    assert len(server.billed) == len(texts)


def test_what_stays_too_much_ends_with_one_line() -> None:
    with (
        EmbeddingServer(lambda texts, n: failure(413, "no")) as server,
        pytest.raises(LLMError, match="status 413"),
    ):
        get_encoder(server.spec).encode(["abcdef"] * 5)


@pytest.mark.parametrize(
    "answer",
    [
        failure(429, "slow down", retry_after=0.05),
        failure(500, "trouble"),
        Answer(200, b"<html>gateway</html>"),
        Answer(200, {"error": {"message": "busy"}}),
        Answer(reset=True),
    ],
    ids=["429", "500", "html", "error", "reset"],
)
def test_what_passes_is_tried_again(answer: Answer) -> None:
    with EmbeddingServer(lambda texts, n: answer if n % 3 == 2 else None) as server:
        encoder = get_encoder(server.spec, limits=Limits(concurrency=2))
        assert encoder.encode(TEXTS).shape == (1000, 2)
        assert len(server.billed) == len(TEXTS)


def test_an_endpoint_of_chat_only_is_recognised() -> None:
    with (
        EmbeddingServer(lambda texts, n: Answer(200, b"<html>hello</html>")) as server,
        pytest.raises(LLMError, match=r"does not behave like.*Does its address end in /v1"),
    ):
        get_encoder(server.spec).encode(["a"])


@pytest.mark.parametrize(
    "data",
    [
        [{"index": 0, "embedding": [1.0, 2.0]}, {"index": 0, "embedding": [1.0, 2.0]}],
        [{"index": 0, "embedding": [1.0, 2.0]}, {"index": "1", "embedding": [1.0]}],
        [{"embedding": [1.0, 2.0]}],
        [{"embedding": "AAAA"}, {"embedding": "AAAA"}],
        [{"embedding": []}, {"embedding": []}],
        [{"embedding": [1e300]}, {"embedding": [1.0]}],
        [{"embedding": [10**400]}, {"embedding": [1.0]}],
        [{"embedding": [True]}, {"embedding": [None]}],
    ],
    ids=range(8),
)
def test_vectors_that_are_not_those_of_the_texts_are_refused(data: list[Any]) -> None:
    with (
        EmbeddingServer(lambda texts, n: Answer(200, {"data": data})) as server,
        pytest.raises(LLMError, match="vector"),
    ):
        get_encoder(server.spec).encode(["a", "b"])


def test_vectors_of_a_chunk_that_is_stored_are_not_paid_again(tmp_path: Path) -> None:
    """As 0.1 stored them: 512 texts at a time."""
    with EmbeddingServer() as server:
        encoder = cached(server.spec, tmp_path)
        vectors = np.full((512, 2), 0.5, dtype=np.float32)
        encoder._store(TEXTS[:512], vectors)  # type: ignore[attr-defined]
        found = encoder.encode(TEXTS)
        np.testing.assert_array_equal(found[:512], vectors)
        assert sorted(server.billed) == sorted(TEXTS[512:])


def test_embed_shows_what_is_sent_and_ends_at_a_cap(tmp_path: Path) -> None:
    source, out = tmp_path / "texts.csv", tmp_path / "vectors.npy"
    source.write_text("message\n" + "\n".join(TEXTS), encoding="utf-8")

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        command = [
            sys.executable,
            "-m",
            "goalspace.cli",
            "embed",
            str(source),
            "--encoder",
            server.spec,
            "-o",
            str(out),
        ]
        return subprocess.run([*command, *options], capture_output=True, text=True, check=False)

    with EmbeddingServer() as server:
        dry = run("--dry-run")
        assert dry.returncode == 0, dry.stderr
        assert f"{server.url} (this machine) gets 1,000 texts for the encoder model." in dry.stdout
        assert "calls   8, " in dry.stdout
        assert not server.requests
        done = run("--max-tokens-total", "12000", "--concurrency", "1")
        assert done.returncode == 3, done.stderr
        assert done.stderr.splitlines()[-1].startswith("goalspace: ")
        assert "of 12,000 tokens are spent" in done.stderr
        assert not out.exists()
        done = run("--max-tokens-total", "1000000")
        assert done.returncode == 0, done.stderr
        assert sorted(server.billed) == sorted(TEXTS)
    assert np.load(out).shape == (1000, 2)


def test_plans_of_vectors_count_calls_and_tokens() -> None:
    plan = plan_vectors(TEXTS, encoder="http://127.0.0.1:1/v1#m", column="message")
    assert plan is not None
    assert (plan.what, plan.n_calls, plan.completion_tokens, plan.is_encoder) == (
        "the column 'message' of 1,000 texts",
        8,
        0,
        True,
    )
    assert 0 < plan.prompt_tokens < plan.most_prompt_tokens
    assert plan_vectors(TEXTS, encoder="minilm") is None
    assert plan_vectors(TEXTS, encoder=None) is None
    assert json.dumps(plan.cost) == "null"
