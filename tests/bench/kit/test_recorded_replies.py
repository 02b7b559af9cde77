"""The endpoint that answers TopicGPT and LLooM with recorded properties."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import openai
import pytest
from recorded_texts import RECORDED, TEXTS

from bench.kit import datasets
from bench.kit.recorded_replies import ASSIGNMENT, GENERATION, REFINEMENT, RecordedReplies


@pytest.fixture(autouse=True)
def _cache_in_test_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(datasets, "CACHE", tmp_path)


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


def test_topicgpt_is_answered_from_what_was_recorded() -> None:
    with RecordedReplies(RECORDED) as server:
        first = ask(server.url, GENERATION.format(Topics="[1] bridges", Document=TEXTS[1]))
        listed = "[1] bridges\n[1] floods of rivers"
        reused = ask(server.url, GENERATION.format(Topics=listed, Document=TEXTS[0]))
        pairs = "".join(
            f"[1] {name}: {name}\n"
            for name in ("river floods", "floods of rivers", "bridges", "school exams")
        )
        merged = ask(server.url, REFINEMENT.format(Topics=pairs))
        tree = "[1] bridges: b\n[1] bank loans: b\n[1] interest rates: i"
        assigned = ask(server.url, ASSIGNMENT.format(tree=tree, Document=TEXTS[2]))
    assert (
        first == "[1] teachers training: teachers training"
    )  # TopicGPT reads letters, digits and blanks only
    assert reused == "[1] floods of rivers: floods of rivers"
    assert merged == "[1] river floods: river floods ([1] river floods, [1] floods of rivers)"
    lines = assigned.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["[1] bank loans", "[1] interest rates"]
    assert '("Report 0 on the bank: loans for houses.")' in lines[0]


def test_lloom_is_answered_from_what_was_recorded() -> None:
    examples = [{"example_id": str(i), "example": name} for i, name in enumerate(("bridges", "river floods"))]
    texts = {"cur_examples": [{"example_id": str(i), "example_text": TEXTS[i]} for i in range(3)]}
    with RecordedReplies(RECORDED) as server:

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
        ("What is the weather like?", "not a prompt of TopicGPT or LLooM"),
        (
            'I have the following TEXT EXAMPLE:\nNews.\n\nPlease summarize the main point. {"bullets": []}',
            "No properties were recorded for the text 'News.'",
        ),
    ],
)
def test_what_was_not_recorded_is_refused_and_not_forgotten(prompt: str, says: str) -> None:
    with (
        pytest.raises(LookupError, match=says),
        RecordedReplies(RECORDED) as server,
        pytest.raises(openai.BadRequestError, match=says),
    ):
        ask(server.url, prompt)
