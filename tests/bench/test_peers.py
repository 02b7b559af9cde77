"""Peers in the benchmarks: the endpoint of recorded replies, and what the peers return for texts and new texts."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import openai
import pytest

BENCH = Path(__file__).parents[2] / "bench"
KINDS = {  # kind of text → what may stand in it, and the properties recorded of it
    "river": (
        ("boats on the river", "floods in spring", "a bridge over the water"),
        ("river floods", "bridges", "floods of rivers"),
    ),
    "school": (
        ("teachers and pupils", "new books for class", "exams in summer"),
        ("teachers' training", "school exams"),
    ),
    "bank": (
        ("loans for houses", "interest is rising", "a savings account"),
        ("bank loans", "interest rates"),
    ),
}
TEXTS = [
    f"Report {n} on the {kind}: {KINDS[kind][0][n % 3]}. Nothing else." for n in range(20) for kind in KINDS
]
RECORDED = {text: list(KINDS[kind][1]) for text, kind in zip(TEXTS, list(KINDS) * 20, strict=True)}


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ModuleType]:
    """The module llm_peers of bench/, its vectors kept in a folder of the test."""
    monkeypatch.syspath_prepend(BENCH)
    import _data
    import llm_peers

    monkeypatch.setattr(_data, "VECTORS", tmp_path)
    yield llm_peers
    for module in list(sys.modules.values()):
        if str(getattr(module, "__file__", "")).startswith(str(BENCH)):
            del sys.modules[module.__name__]


@pytest.fixture
def vectors(bench: ModuleType) -> np.ndarray:
    return bench.embed(TEXTS)


def ask(url: str, prompt: str) -> str:
    client = openai.OpenAI(api_key="none", base_url=url, max_retries=0)
    with client:
        found = client.chat.completions.create(
            model="recorded", messages=[{"role": "user", "content": prompt}]
        )
    return found.choices[0].message.content or ""


def shown(rows: Any) -> str:
    """JSON as LLooM shows it: with doubled braces."""
    return json.dumps(rows).replace("{", "{{").replace("}", "}}")


def test_topicgpt_is_answered_from_what_was_recorded(bench: ModuleType) -> None:
    replies = bench._replies
    with replies.RecordedReplies(RECORDED) as server:
        first = ask(server.url, replies.GENERATION.format(Topics="[1] bridges", Document=TEXTS[1]))
        listed = "[1] bridges\n[1] floods of rivers"
        reused = ask(server.url, replies.GENERATION.format(Topics=listed, Document=TEXTS[0]))
        pairs = "".join(
            f"[1] {name}: {name}\n"
            for name in ("river floods", "floods of rivers", "bridges", "school exams")
        )
        merged = ask(server.url, replies.REFINEMENT.format(Topics=pairs))
        tree = "[1] bridges: b\n[1] bank loans: b\n[1] interest rates: i"
        assigned = ask(server.url, replies.ASSIGNMENT.format(tree=tree, Document=TEXTS[2]))
    assert (
        first == "[1] teachers training: teachers training"
    )  # TopicGPT reads letters, digits and blanks only
    assert reused == "[1] floods of rivers: floods of rivers"
    assert merged == "[1] river floods: river floods ([1] river floods, [1] floods of rivers)"
    lines = assigned.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["[1] bank loans", "[1] interest rates"]
    assert '("Report 0 on the bank: loans for houses.")' in lines[0]


def test_lloom_is_answered_from_what_was_recorded(bench: ModuleType) -> None:
    examples = [{"example_id": str(i), "example": name} for i, name in enumerate(("bridges", "river floods"))]
    texts = {"cur_examples": [{"example_id": str(i), "example_text": TEXTS[i]} for i in range(3)]}
    with bench._replies.RecordedReplies(RECORDED) as server:

        def asked(prompt: str, key: str) -> Any:
            return json.loads(ask(server.url, f'{prompt}\n{{ "{key}": [ ] }}'))[key]

        bullets = asked(
            f"I have the following TEXT EXAMPLE:\n{TEXTS[0]}\n\nPlease summarize the main point of it.",
            "bullets",
        )
        patterns = asked(
            f"I have this set of bullet point summaries of text examples:\n{shown(examples)}\n\n"
            "Please write a summary of up to 9 unique topics for these examples.",
            "patterns",
        )
        selected = asked(
            "- Name: bank loans, Prompt: Is it?\n- Name: river floods, Prompt: Is it?\n"
            "- Name: school exams, Prompt: Is it?\n\n"
            "Please select AT MOST 1 themes to include in the final set of themes.",
            "selected",
        )
        graded = asked(
            f"    I have the following text examples in a JSON:\n    {shown(texts)}\n\n"
            "    I also have a pattern named bank loans with the following PROMPT: \n    Is this about bank loans?",
            "pattern_results",
        )
    assert bullets == RECORDED[TEXTS[0]]
    assert {each["name"] for each in patterns} == {"bridges", "river floods"}
    assert all(set(each["example_ids"]) <= {"0", "1"} for each in patterns)
    assert selected == ["river floods"]  # the nearest one to three properties, the others to two each
    assert [each["example_id"] for each in graded] == ["0", "1", "2"]
    assert graded[2]["answer"] == "A"
    assert {graded[0]["answer"], graded[1]["answer"]} <= {"C", "D", "E"}


@pytest.mark.parametrize(
    ("prompt", "says"),
    [
        ("What is the weather like?", "no prompt of TopicGPT or LLooM"),
        (
            'I have the following TEXT EXAMPLE:\nNews.\n\nPlease summarize the main point. {"bullets": []}',
            "No properties were recorded for the text 'News.'",
        ),
    ],
)
def test_what_was_not_recorded_is_refused_and_not_forgotten(
    bench: ModuleType, prompt: str, says: str
) -> None:
    with (
        pytest.raises(LookupError, match=says),
        bench._replies.RecordedReplies(RECORDED) as server,
        pytest.raises(openai.BadRequestError, match=says),
    ):
        ask(server.url, prompt)


def check(fitted: Any, new: np.ndarray, n_topics: int) -> None:
    """Shapes of what a peer returns, and that new texts are scored as the same texts were."""
    assert fitted.scores.shape == (len(TEXTS), n_topics)
    assert fitted.dominant.shape == (len(TEXTS),)
    assert fitted.dominant.min() >= -1
    assert fitted.dominant.max() < n_topics
    np.testing.assert_allclose(fitted.encode(TEXTS[:9], new[:9]), fitted.scores[:9], atol=1e-4)


@pytest.mark.parametrize("options", [{}, {"one_hot": True}], ids=["cosines", "one-hot"])
def test_kmeans(bench: ModuleType, vectors: np.ndarray, options: Mapping[str, Any]) -> None:
    from peers import kmeans

    fitted = kmeans(TEXTS, vectors, 3, **options)
    check(fitted, vectors, 3)
    if options:
        np.testing.assert_array_equal(fitted.scores.argmax(axis=1), fitted.dominant)


@pytest.mark.parametrize(
    "anchors", [(), [["river"], ["school", "unheard"], ["unheard"]]], ids=["free", "anchored"]
)
def test_corextopic(bench: ModuleType, vectors: np.ndarray, anchors: list[list[str]]) -> None:
    pytest.importorskip("corextopic", reason="pip install -e '.[bench]' for this test")
    from peers import corextopic

    before = np.geterr()
    fitted = corextopic(TEXTS, vectors, 3, anchors=anchors)
    check(fitted, vectors, 3)
    assert np.geterr() == before
    if anchors:
        on_river = np.array(["river" in text for text in TEXTS])
        assert fitted.scores[on_river, 0].min() > fitted.scores[~on_river, 0].max()


def test_semantic_signals(bench: ModuleType, vectors: np.ndarray) -> None:
    pytest.importorskip("turftopic", reason="pip install -e '.[bench]' for this test")
    from peers import semantic_signals

    check(semantic_signals(TEXTS, vectors, 3), vectors, 3)


def test_topicgpt(bench: ModuleType, vectors: np.ndarray) -> None:
    if importlib.util.find_spec("topicgpt_python") is None:  # cannot be imported without the peer's stand-ins
        pytest.skip("see bench/llm_peers.py for how to install TopicGPT")
    fitted = bench.topicgpt(TEXTS, vectors, RECORDED)
    check(fitted, vectors, fitted.scores.shape[1])
    assert len({fitted.dominant[i] for i in range(3)}) == 3  # one of each kind
    with pytest.raises(ValueError, match="1 of 1 have none"):
        fitted.encode(["News."], vectors[:1])


def test_lloom(bench: ModuleType, vectors: np.ndarray) -> None:
    pytest.importorskip("text_lloom", reason="see bench/llm_peers.py for how to install LLooM")
    fitted = bench.lloom(TEXTS, vectors, 4, RECORDED)
    check(fitted, vectors, 4)
    assert fitted.scores.max() == 1
