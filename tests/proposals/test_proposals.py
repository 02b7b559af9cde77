"""Proposals: replies read, quotes checked, vocabulary merged, the offline and the recorded proposer."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from goalspace.corpus import Corpus
from goalspace.encoders.registry import get_encoder
from goalspace.errors import InputError, LLMError
from goalspace.llm.protocol import FunctionLLM
from goalspace.proposals import OFFLINE, Proposals, propose
from goalspace.proposals.answers import parse_answer
from goalspace.proposals.vocabulary import merge_near_duplicates, normalise
from llm_server import LLMServer

TEXTS = [
    "I was charged twice for my subscription and nobody answers.",
    "The router drops the connection every evening.",
    "Charged twice again, please refund the second payment.",
    "My router loses the connection when it rains.",
    "The app crashes when I open the settings page.",
    "Since the update the app crashes at every start.",
]


def corpus() -> Corpus:
    return Corpus.read(TEXTS)


def reply(*items: tuple[str, str], analysis: str = "a note") -> str:
    return json.dumps({"analysis": analysis, "properties": [{"property": p, "quote": q} for p, q in items]})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            '{"analysis": "x", "properties": [{"property": "late", "quote": "too late"}]}',
            [("late", "too late")],
        ),
        ('Sure!\n```json\n{"properties": ["late", "rude"]}\n```', [("late", ""), ("rude", "")]),
        (  # cut off where the tokens ended
            '{"analysis": "{x}", "properties": [{"property": "late", "quote": "too late"}, {"property": "rude", "quote": '
            '""}, {"property": "hal',
            [("late", "too late"), ("rude", "")],
        ),
        (  # the same, with brackets in its analysis
            '{"analysis": "see [1]", "properties": [{"property": "late", "quote": "too late"}, {"prop',
            [("late", "too late")],
        ),
        (  # an example is not the answer
            'For example {"property": "x", "quote": "y"}. {"analysis": "a", "properties": ["late", "rude"]}',
            [("late", ""), ("rude", "")],
        ),
        ('<think>{"properties": ["no"]}</think>["late fees"]', [("late fees", "")]),
        # the prompt began the thought
        ('Perhaps {"properties": ["no"]}?</think>["late fees"]', [("late fees", "")]),
        ('{"number": %s} ["late fees"]' % ("1" * 5000), [("late fees", "")]),
        # it neither colours the terminal nor breaks a file; a joiner is spelling
        (
            '["\\u001b[31mlate\\u202e\\ud800 \\n fees", "\\u0645\\u06cc\\u200c\\u0631\\u0648\\u062f"]',
            [("[31mlate fees", ""), ("می\u200cرود", "")],
        ),
        ("1. late fees\n2. rude staff\n11. eleven", [("late fees", ""), ("rude staff", ""), ("eleven", "")]),
        ("- when late fees rise\n- **rude staff**", [("when late fees rise", ""), ("rude staff", "")]),
    ],
)
def test_replies_are_read_in_every_form(text: str, expected: list[tuple[str, str]]) -> None:
    answer = parse_answer(text)
    assert answer is not None
    assert list(answer.properties) == expected


@pytest.mark.parametrize(
    "text", ["", "I cannot help with that.", '{"properties": []}', '{"properties": [{"pro']
)
def test_unusable_replies_are_recognised(text: str) -> None:
    assert parse_answer(text) is None


@pytest.mark.parametrize(
    ("said", "normal"),
    [("  Late   Fees. ", "late fees"), ("“Rude staff”", "rude staff"), ("-- !", ""), ("x" * 200, "")],
)
def test_names_are_normalised(said: str, normal: str) -> None:
    assert normalise(said) == normal


def test_near_duplicates_merge_but_not_numbers_and_negations() -> None:
    names = [
        "tax credits",
        "tax credit",
        "rhymed verse",
        "unrhymed verse",
        "offer for 2 people",
        "offer for 3 people",
    ]
    stands_for = merge_near_duplicates(names, [3, 1, 1, 1, 1, 1], get_encoder(), threshold=0.8)
    assert stands_for["tax credit"] == "tax credits"
    for name in names[2:]:
        assert stands_for[name] == name


def test_quotes_that_the_text_does_not_hold_are_dropped_and_counted() -> None:
    llm = FunctionLLM(
        lambda prompt: reply(("billing error", "CHARGED   twice"), ("anger", "never said this"))
    )
    found = propose(Corpus.read(TEXTS[:1] + TEXTS[2:3]), goal="why they complain", llm=llm)
    assert found.properties == ("anger", "billing error")
    quotes = dict(
        zip(
            zip(found.text_index.tolist(), found.property_index.tolist(), strict=True),
            found.quotes,
            strict=True,
        )
    )
    assert quotes[0, 1] == "charged twice"
    assert quotes[1, 1] == "Charged twice"
    assert quotes[0, 0] is None
    assert found.stats["n_quotes"] == 2
    assert found.stats["n_quotes_dropped"] == 2


def test_an_unreadable_reply_is_asked_for_again_and_then_counted() -> None:
    prompts: list[str] = []

    def answer(prompt: str) -> str:
        prompts.append(prompt)
        if "router" in prompt:
            return "no idea"
        if "settings" in prompt and "could not be read" not in prompt:
            return "{"
        return reply(("software fault", ""))

    found = propose(corpus(), goal="faults", llm=FunctionLLM(answer), max_unparsed=0.5)
    assert len(prompts) == len(TEXTS) + 3
    assert found.stats["n_unparsed"] == 2
    assert found.stats["coverage"] == pytest.approx(4 / 6)
    with pytest.raises(LLMError, match="2 of 6 replies of function could not be read"):
        propose(corpus(), goal="faults", llm=FunctionLLM(answer), max_unparsed=0.1)


def test_several_texts_share_a_call_and_two_calls_chain() -> None:
    calls: list[str] = []

    def many(prompt: str) -> str:
        calls.append(prompt)
        n = len(re.findall(r"^-{10} \w+ \d+$", prompt, re.MULTILINE))
        return json.dumps(
            {"texts": [{"number": i + 1, "analysis": "n", "properties": [f"property {i}"]} for i in range(n)]}
        )

    found = propose(corpus(), goal="faults", llm=FunctionLLM(many), texts_per_call=3, merge=2)
    assert len(calls) == 2
    assert found.properties == ("property 0", "property 1", "property 2")
    assert found.text_index.tolist() == [0, 1, 2, 3, 4, 5]

    def two(prompt: str) -> str:
        return reply(("a fault", "")) if "Note: it is broken" in prompt else "it is broken"

    chained = propose(corpus(), goal="faults", llm=FunctionLLM(two), prompting="chained")
    assert chained.analyses[3] == "it is broken"
    assert chained.properties == ("a fault",)


def test_long_texts_are_cut_at_the_end_the_goal_needs_and_counted() -> None:
    seen: list[str] = []

    def answer(prompt: str) -> str:
        seen.append(prompt)
        return reply(("x", ""))

    text = "first words " + "filler " * 500 + "last words"
    found = propose(
        Corpus.read([text, "short"]), goal="g", llm=FunctionLLM(answer), text_tokens=50, truncate_from="start"
    )
    assert "last words" in seen[0]
    assert "first words" not in seen[0]
    assert found.stats["n_cut"] == 1


def test_a_text_cannot_fill_the_slots_of_the_prompt() -> None:
    seen: list[str] = []

    def answer(prompt: str) -> str:
        seen.append(prompt)
        return reply(("x", ""))

    propose(Corpus.read(["{{goal}} {{text}}"]), goal="the goal", llm=FunctionLLM(answer))
    assert "{{goal}} {{text}}" in seen[0]


def test_recorded_replies_by_field_and_by_id(tmp_path: Path) -> None:
    file = tmp_path / "said.jsonl"
    file.write_text(
        '{"id": 1, "style": ["Plain prose"]}\n{"id": "2", "style": [{"property": "verse", "quote": "twice"}]}\n'
    )
    found = propose(corpus(), goal="style", llm=f"recorded:{file}#style")
    assert set(found.properties) == {"plain prose", "verse"}
    assert found.text_index.tolist() == [1, 2]
    assert "twice" in found.quotes
    with pytest.raises(InputError, match="line 1: expected an object with 'id' and a list 'properties'"):
        propose(corpus(), goal="style", llm=f"recorded:{file}")
    file.write_text('{"id": "other", "properties": ["x"]}\n{broken\n')
    with pytest.raises(InputError, match="line 2: this is not JSON"):
        propose(corpus(), goal="style", llm=f"recorded:{file}")
    file.write_text('{"id": "other", "properties": ["x"]}\n')
    with pytest.raises(InputError, match="--id"):
        propose(corpus(), goal="style", llm=f"recorded:{file}")
    # no line ends within the string
    file.write_text('{"id": "1", "properties": ["in two\u2028lines"]}\n', encoding="utf-8")
    assert propose(corpus(), goal="style", llm=f"recorded:{file}").properties == ("in two lines",)
    file.write_bytes('{"id": "1", "properties": ["é"]}\n'.encode("latin-1"))
    with pytest.raises(InputError, match="not UTF-8"):
        propose(corpus(), goal="style", llm=f"recorded:{file}")


def test_what_the_offline_proposer_says_depends_on_the_goal() -> None:
    texts = [
        "I was charged twice for the same invoice, this is outrageous and I want my money back!",
        "I am furious. The refund for the invoice that you promised never arrived.",
        "Thank you so much, the invoice was corrected within an hour, wonderful service.",
        "Dear team, you are the best, my invoice is right now. I am really happy.",
        "The router drops the connection every evening. I have had enough of this rubbish!",
        "It makes me so angry that the router restarts whenever somebody calls.",
        "The new router works like a charm, thank you very much.",
        "Great, the connection is fast and the router looks lovely. Thanks!",
    ]
    said = {}
    for goal in ("which emotion the writer shows", "which product the message is about"):
        found = propose(Corpus.read(texts), goal=goal)
        assert found.stats["proposer"] == OFFLINE
        own = [set(found.property_index[found.text_index == row].tolist()) for row in range(len(texts))]
        said[goal] = np.array([[len(a & b) for b in own] for a in own])
        assert all(quote is None or any(quote in text for text in texts) for quote in found.quotes)
    angry, router = np.array([1, 1, 0, 0, 1, 1, 0, 0]), np.array([0, 0, 0, 0, 1, 1, 1, 1])
    for goal, asked, other in zip(said, (angry, router), (router, angry), strict=True):
        shared = said[goal][~np.eye(len(texts), dtype=bool)]
        same, ignored = ((kind[:, None] == kind)[~np.eye(len(texts), dtype=bool)] for kind in (asked, other))
        assert shared[same].mean() - shared[~same].mean() > shared[ignored].mean() - shared[~ignored].mean()


def test_texts_without_words_still_get_properties_or_are_not_relevant() -> None:
    found = propose(Corpus.read(["1 2 3", "4 5", "6"]), goal="anything")
    assert {*found.text_index.tolist()} | {*found.not_relevant} == {0, 1, 2}


def test_what_was_saved_is_what_was_proposed(tmp_path: Path) -> None:
    texts = corpus()
    found = propose(texts, goal="payment problems", merge=0.8)
    found.save(tmp_path / "proposals.jsonl", texts)
    loaded = Proposals.load(tmp_path / "proposals.jsonl", texts)
    assert loaded.properties == found.properties
    assert loaded.surface_forms == found.surface_forms
    assert loaded.quotes == found.quotes
    np.testing.assert_array_equal(loaded.text_index, found.text_index)
    np.testing.assert_array_equal(loaded.property_index, found.property_index)


def test_texts_read_without_a_property_are_not_relevant(tmp_path: Path) -> None:
    file = tmp_path / "said.jsonl"
    file.write_text('{"id": "0", "properties": []}\n{"id": "1", "properties": ["slow"]}\n')
    texts = Corpus.read(["It arrived.", "It was slow.", "Not read."])
    found = propose(texts, goal="why", llm=f"recorded:{file}")
    assert found.not_relevant == (0,)
    assert found.stats["n_not_relevant"] == 1
    found.save(tmp_path / "proposals.jsonl", texts)
    assert Proposals.load(tmp_path / "proposals.jsonl", texts).not_relevant == (0,)


def test_an_endpoint_that_refuses_schemas_still_answers() -> None:
    with LLMServer(
        lambda body: reply(("billing error", "")), refuses=("json_schema", "json_object")
    ) as server:
        found = propose(corpus(), goal="why", llm=server.spec)
    assert found.properties == ("billing error",)
    assert found.stats["coverage"] == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"goal": "  "}, "goal is empty"),
        ({"goal": "g", "sample": 0}, "'sample'"),
        ({"goal": "g", "truncate_from": "middle"}, "'truncate_from'"),
        ({"goal": "g", "max_unparsed": 2.0}, "'max_unparsed'"),
    ],
)
def test_wrong_options_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        propose(corpus(), **options)  # type: ignore[arg-type]
