"""Replies that no parser likes: strategies and large inputs, shared by the tests of everything that reads replies."""

from __future__ import annotations

from hypothesis import strategies as st

FRAGMENTS = [
    *"{}[]():,\"'`\\/#-*.…“”‘’„<>|◁▷ \n\t\r\x00\x1b\u2028\ufeff\u202e\ud800\udfff",
    *("\\n", '\\"', "\\u00e9", "\\ud83d", "\\u12", "\\x", "//", "/*", "*/", "```", "```json", "\n\n\n"),
    *("<think>", "</think>", "<thinking>", "</ THOUGHT>", "[THINK]", "[/THINK]", "◁think▷", "◁/think▷"),
    *("<|channel|>analysis<|message|>", "<|channel|>final<|message|>", "<|end|>", "<|start|>assistant"),
    *(
        '"properties"',
        "'properties'",
        '{"properties": [',
        '{"texts": [{"number": 1, "properties": [',
        '"texts":',
    ),
    *(
        '{"property": "late fees", "quote": "too late"}',
        '"property"',
        '"quote":',
        '"number": ',
        "number",
        "name",
    ),
    *(
        "1",
        "-1",
        "2.5",
        "1e999",
        "1e-999",
        "NaN",
        "Infinity",
        "null",
        "None",
        "True",
        "false",
        "0" * 500,
        "٣",
    ),
    *("1. late fees", "- rude staff", "• ", "naïve", "日本語", "🙂", "e\u0301", "late fees"),
]
REPLIES = st.one_of(
    st.lists(st.sampled_from(FRAGMENTS), max_size=40).map("".join),
    st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=5)), max_size=25).map("".join),
    st.text(alphabet=st.characters(), max_size=200),
)
# each took quadratic time, or more, with some parser
LARGE = {
    "opening brackets": "[" * 100_000,
    "opening braces": "{" * 100_000,
    "nested objects": '{"a":' * 100_000,
    "newlines": "\n" * 30_000,
    "newlines after a key": '{"a"' + "\n" * 30_000 + "x",
    "newlines after a comma": '{"a",' + "\n" * 30_000 + "x",
    "newlines before an item": "\n" * 30_000 + "- x",
    "quotes": '"' * 1_000_000,
    "quotes in an object": "{" + '"' * 1_000_000,
    "single quotes in a list": "[" + "'" * 1_000_000,
    "opened strings": '["' * 500_000,
    "opened single quotes": "[' " * 300_000,
    "marks": "<think>" * 150_000,
    "marks within a line": "x " + "<think>" * 150_000,
    "end marks": "</think>" * 150_000,
    "pairs of marks": "<think></think>" * 70_000,
    "channels": "<|channel|>analysis" * 50_000,
    "digits": "[" + "1" * 1_000_000 + "]",
    "digits in prose": "1" * 1_000_000,
    "backslashes": '["' + "\\" * 1_000_000,
    "escaped quotes": '{\\"' * 300_000,
    "comments": "[//" * 300_000,
    "block comments": "[/*" * 300_000,
    "a word after a comma": '["a", ' + "a" * 1_000_000,
    "carriage returns": "[" + "\r" * 1_000_000,
    "bullets": "- " * 500_000,
    "angle brackets": "<" * 1_000_000,
}
