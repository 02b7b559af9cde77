"""Reading replies: reasoning in every mark, JSON in every form, hostile input."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goalspace.llm.reading import MAX_REPLY, drop_thoughts, find_json, json_values, read_reply, to_whole
from replies import LARGE, REPLIES

DRAFT = 'maybe {"a": "draft"}, or [1, 2]?'
ANSWER = '{"a": "answer"}'

# ---------------------------------------------------------------- reasoning


@pytest.mark.parametrize(
    "reply",
    [
        f"<think>{DRAFT}</think>{ANSWER}",
        f"<THINK>\n{DRAFT}\n</Think>\n\n{ANSWER}",
        f"<thinking>{DRAFT}</thinking> {ANSWER}",
        f"<thought>{DRAFT}</thought>{ANSWER}",
        f"<thoughts>{DRAFT}</thoughts>{ANSWER}",
        f"<reasoning>{DRAFT}</reasoning>{ANSWER}",
        f"<seed:think>{DRAFT}</seed:think>{ANSWER}",
        f"[THINK]{DRAFT}[/THINK]{ANSWER}",
        f"[think]{DRAFT}[/think]{ANSWER}",
        f"◁think▷{DRAFT}◁/think▷{ANSWER}",
        f"< think >{DRAFT}</ think >{ANSWER}",
        f"<|begin_of_thought|>{DRAFT}<|end_of_thought|>{ANSWER}",
        f"<|START_THINKING|>{DRAFT}<|END_THINKING|>{ANSWER}",
        # harmony
        f"<|channel|>analysis<|message|>{DRAFT}<|end|><|start|>assistant<|channel|>final<|message|>{ANSWER}<|return|>",
        f"<|channel|>analysis<|message|>{DRAFT}<|end|><|start|>assistant<|channel|>final <|constrain|>json<|message|>{ANSWER}",
        f"<|channel|>analysis<|message|>{DRAFT}<|end|><|start|>assistant{ANSWER}<|end|>",
        f"<|channel|>commentary to=user<|message|>{DRAFT}<|end|><|channel|>final<|message|>{ANSWER}",
        f"{DRAFT}<|channel|>final<|message|>{ANSWER}",
        f"analysis{DRAFT}assistantfinal{ANSWER}",
        # the opening mark is in the prompt
        f"{DRAFT}</think>{ANSWER}",
        f"{DRAFT}\n[/THINK]\n{ANSWER}",
        f"{DRAFT}◁/think▷{ANSWER}",
        # marks inside reasoning
        f"<think>they write <think> here {DRAFT}</think>{ANSWER}",
        f"<think>a <think>b</think> c {DRAFT}</think>{ANSWER}",
        f"<think>{DRAFT}</thinking>{ANSWER}",
        f"<think></think><think>{DRAFT}</think>{ANSWER}",
        f"I wrote {{a: and [b </think>{ANSWER}",
        # and after the answer
        f"{ANSWER}<think>{DRAFT}</think>",
        f"{ANSWER}\n<think>was {DRAFT}",
    ],
)
def test_reasoning_is_dropped(reply: str) -> None:
    assert json_values(reply) == [{"a": "answer"}]
    assert "draft" not in drop_thoughts(reply)


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("<think>hm</think>The customer is angry.", "The customer is angry."),
        ("hm</think>The customer is angry.", "The customer is angry."),
        (
            "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>Angry.<|return|>",
            "Angry.",
        ),
        ("Angry. <THINKING>hm</THINKING>", "Angry. "),
        ("Angry.\n<think>hm, the tok", "Angry.\n"),
        ("<think>hm, the tok", ""),
        ("They ask what <think> means.", "They ask what <think> means."),
        ("A thought on thinking [1].", "A thought on thinking [1]."),
    ],
)
def test_text_without_reasoning(reply: str, answer: str) -> None:
    assert drop_thoughts(reply) == answer


@pytest.mark.parametrize(
    "quoted",
    [
        "what is <think>?",
        "</think>",
        "<think>a</think>",
        "[THINK] or [/THINK]",
        "◁/think▷",
        "a <|channel|>analysis<|message|> b",
        "<|channel|>final<|message|>",
        "assistantfinal",
    ],
)
def test_marks_in_the_strings_of_an_answer_belong_to_it(quoted: str) -> None:
    answer = {"a": [{"quote": quoted}], "b": 1}
    for reply in (json.dumps(answer), f"<think>{DRAFT}</think>```json\n{json.dumps(answer, indent=1)}\n```"):
        assert json_values(reply) == [answer]
    assert json_values(f"{{'a': [{{'quote': '{quoted}'}}], 'b': 1}}") == [answer]
    cut = read_reply(json.dumps(answer)[:-1])
    assert (cut.values, cut.whole) == ((answer,), (False,))


@pytest.mark.parametrize(
    "reply",
    [
        f"<think>They want JSON. {ANSWER}",  # the end mark was forgotten
        f"<think>They want JSON.\n```json\n{ANSWER}\n```\n",
        f"<think>{ANSWER}</think>",
        f"hm {ANSWER}</think>\n",
        f"[THINK]first {DRAFT} then {ANSWER}",
        f"<|channel|>analysis<|message|>hm {ANSWER}<|end|>",
        f'The text is about "<think>". {ANSWER}',
    ],
)
def test_json_that_ends_a_reply_of_reasoning_only_is_the_answer(reply: str) -> None:
    assert json_values(reply) == [{"a": "answer"}]


@pytest.mark.parametrize(
    "reply",
    [
        f"<think>{ANSWER} is a draft, but",  # cut off by the token limit
        f"<think>{ANSWER}? No.</think>",
        f"{ANSWER}? No.</think>",
        f"<think>{ANSWER}</think>I cannot answer.",
        "<think>",
        "</think>",
    ],
)
def test_drafts_in_reasoning_are_no_answer(reply: str) -> None:
    assert json_values(reply) == []


# ---------------------------------------------------------------- JSON


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        ('{"a": "two\nlines\tand tabs"}', {"a": "two\nlines\tand tabs"}),
        ('{"a": "two\\nlines\\u00e9\\/\\ud83d\\ude42"}', {"a": "two\nlinesé/🙂"}),
        ('{"a": "C:\\dir \\_x\\\' \\"y\\""}', {"a": 'C:\\dir _x\' "y"'}),
        ("{'a': 'it\\'s', 'b': \"it's\"}", {"a": "it's", "b": "it's"}),
        ("{'a': 'it's late'}", {"a": "it's late"}),
        ('{"a": "she said "no" twice", "b": "x"}', {"a": 'she said "no" twice', "b": "x"}),
        ('{"a": "she said "no", then left"}', {"a": 'she said "no", then left'}),
        ("{“a”: “x”, ‘b’: ‘it’s’}", {"a": "x", "b": "it’s"}),
        ('{"a": "he said “no”, really"}', {"a": "he said “no”, really"}),
        ("{„a“: „x“}", {"a": "x"}),
        ('{"a": [1, 2,], "b": {"c": 3,},}', {"a": [1, 2], "b": {"c": 3}}),
        ('{"a": [1,, 2]}', {"a": [1, 2]}),
        ('{"a": "x"\n"b": "y"}', {"a": "x", "b": "y"}),
        ('{"a": "x" "b": "y"}', {"a": "x", "b": "y"}),
        ('[{"a": 1} {"a": 2}]', [{"a": 1}, {"a": 2}]),
        ('{a: 1, b_c: "x", d-e: [true]}', {"a": 1, "b_c": "x", "d-e": [True]}),
        ('{"a": True, "b": False, "c": None}', {"a": True, "b": False, "c": None}),
        ('{"a": 1, // the first\n // and\n "b": 2}', {"a": 1, "b": 2}),
        ('{"a": "http://x.org/y"}', {"a": "http://x.org/y"}),
        ('{"a": [{"b": "x"}}', {"a": [{"b": "x"}]}),  # a bracket is missing
        ('{"a": {"b": ["x"}}', {"a": {"b": ["x"]}}),
        ('{"a": ["x"]}}]', {"a": ["x"]}),
        ('{"a": , "b": 1}', {"a": None, "b": 1}),
        ('{"a", "b"}', {"a": None, "b": None}),
        ('"{\\"a\\": [\\"x\\\\n\\"]}"', {"a": ["x\n"]}),  # encoded twice
        ('{\\"a\\": \\"it [1]\\"}', {"a": "it [1]"}),
        ('```json\n{"a": "x"}\n```', {"a": "x"}),
        ('Here:\n```\n{"a": "`x`"}```\nDone {}.', {"a": "`x`"}),
        ('<answer>{"a": 1}</answer>', {"a": 1}),
        ('{"a": -1.5e2, "b": .5, "c": 1., "d": +3}', {"a": -150.0, "b": 0.5, "c": 1.0, "d": 3}),
        ('\ufeff{"a": 1}', {"a": 1}),
    ],
)
def test_json_is_read_leniently(reply: str, value: Any) -> None:
    assert json_values(reply) == [value]
    assert json_values(f"I'd say [see below], {{x}}: {reply} That's it, isn't it?") == [value]


@pytest.mark.parametrize(
    ("reply", "values"),
    [
        ('{"a": 1} no: {"a": 2}', [{"a": 1}, {"a": 2}]),
        ('{"a": {"b": [{"a": 3}]}}', [{"a": {"b": [{"a": 3}]}}]),
        ("[1 and then {'a': 1}", [{"a": 1}]),
        ("see [1], {x}, [y and {'a': 1}", [[1], {"a": 1}]),
        ("I'd say {so}, isn't it? {'a': 1}. It's {so}.", [{"a": 1}]),
        ("{} [] {'a': 1}", [{"a": 1}]),
        ('{"a": oops} {"b": 1}', [{"b": 1}]),
        ("[1 2 3]", []),
        ("[late fees]", []),
    ],
)
def test_values_in_prose(reply: str, values: list[Any]) -> None:
    assert json_values(reply) == values


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        ('{"a": "x", "b": [{"c": 1}, {"c": 2}, {"c"', {"a": "x", "b": [{"c": 1}, {"c": 2}]}),
        ('{"a": "x", "b": [{"c": 1}, {"c": 2, "d": "cut', {"a": "x", "b": [{"c": 1}]}),
        ('{"a": {"b": ["x", "y', {"a": {"b": ["x"]}}),
        ('{"a": "x", "b', {"a": "x"}),
        ('{"a": "x", "b":', {"a": "x"}),
        ('["x", "y"', ["x", "y"]),
    ],
)
def test_what_was_cut_off_has_its_complete_members(reply: str, value: Any) -> None:
    reading = read_reply(reply)
    assert (reading.values, reading.whole) == ((value,), (False,))
    assert json_values(reply) == []


@settings(deadline=None)
@given(
    st.dictionaries(
        st.text(min_size=1),
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats(allow_nan=False, allow_infinity=False)
            | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=10,
        ),
        min_size=1,
    ),
    st.booleans(),
    st.sampled_from([None, 1]),
)
def test_all_json_is_read_as_the_standard_library_reads_it(
    value: Any, ascii: bool, indent: int | None
) -> None:
    assert json_values(json.dumps(value, ensure_ascii=ascii, indent=indent)) == [value]


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        ('{"a": 0, "b": 1} better: {"b": 2, "a": 3}', {"b": 2, "a": 3}),
        ('{"a": 0, "b": 1} {"b": 2} {"c": 3}', {"a": 0, "b": 1}),
        ('{"a": 0} {"b": 2} {"c": 3}', {"b": 2}),
        ('{"A": 0, " B ": {"a": 4, "b": 5}}', {"a": 0, "b": {"a": 4, "b": 5}}),
        ('[{"a": 0, "b": 1}]', {"a": 0, "b": 1}),
        ('{"answer": {"a": 0, "b": 1}}', {"a": 0, "b": 1}),
        ('{"answer": "{\\"a\\": 0, \\"b\\": 1}"}', {"a": 0, "b": 1}),
        ('{"c": 3}', None),
        ("[1, 2]", None),
        ('{"a": 0, "b": 1', None),
        ("", None),
    ],
)
def test_the_last_object_with_the_keys_counts(reply: str, value: dict[str, Any] | None) -> None:
    assert find_json(reply, "a", "b") == value


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (4, 4),
        (4.0, 4),
        ("4", 4),
        (" 4.0 ", 4),
        ("-2", -2),
        (True, None),
        (None, None),
        (4.5, None),
        ("4.5", None),
        ("four", None),
        ("1" * 5000, None),
        (math.inf, None),
        (math.nan, None),
        ([4], None),
    ],
)
def test_whole_numbers(value: Any, number: int | None) -> None:
    assert to_whole(value) == number


# ---------------------------------------------------------------- hostile input


@settings(max_examples=500, deadline=None)
@given(REPLIES)
def test_nothing_fails(reply: str) -> None:
    reading = read_reply(reply)
    assert isinstance(reading.text, str)
    assert len(reading.values) == len(reading.whole)
    assert all(isinstance(value, (dict, list)) and value for value in reading.values)
    json.dumps(reading.values)
    found = find_json(reply, "properties", "name")
    assert found is None or isinstance(found, dict)


@pytest.mark.parametrize("kind", LARGE)
def test_large_input_is_read(kind: str) -> None:
    assert find_json(LARGE[kind], "a") is None
    assert json_values(f"{ANSWER} {LARGE[kind]}")[0] == {"a": "answer"} or "end marks" in kind


def test_what_exceeds_the_limit_is_not_read() -> None:
    assert json_values("x" * (MAX_REPLY - len(ANSWER)) + ANSWER) == [{"a": "answer"}]
    assert json_values("x" * (MAX_REPLY + 1 - len(ANSWER)) + ANSWER) == []


def test_deep_nesting_is_refused_without_losing_what_follows() -> None:
    deep = '{"a": ' * 500 + "1" + "}" * 500
    assert json_values(f"{deep} {{'b': 1}}")[-1] == {"b": 1}
