"""Instruction data of every form are read, and written back in their own."""

from __future__ import annotations

import csv
import gzip
import json

import pytest

from goalspace.errors import InputError
from goalspace.instructions.dataset import Instructions

ALPACA = [
    {"instruction": "Translate to French.", "input": "Good morning", "output": "Bonjour"},
    {"instruction": " Write a poem. ", "input": "", "output": "…", "score": 0.5},
    {"instruction": "", "input": "left over", "output": ""},
]
SHAREGPT = [
    {
        "id": "c1",
        "conversations": [
            {"from": "system", "value": "Be kind."},
            {"from": "human", "value": "Tell me a joke"},
            {"from": "gpt", "value": "No."},
            {"from": "human", "value": "Please"},
        ],
    },
    {"id": "c2", "conversations": [{"from": "gpt", "value": "Hello"}]},
]
CHAT = [
    {
        "messages": [
            {"role": "system", "content": "x"},
            {"role": "user", "content": "Sum 2 and 3."},
            {"role": "assistant", "content": "5"},
        ]
    },
    {
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is on"},
                    {"type": "image_url", "image_url": {"url": "x.png"}},
                    {"type": "text", "text": "this picture?"},
                ],
            }
        ]
    },
]


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        if not isinstance(content, str):
            lines = name.endswith("l")
            content = "".join(json.dumps(r) + "\n" for r in content) if lines else json.dumps(content)
        path.write_text(content, encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_alpaca(write, name):
    data = Instructions.read(write(name, ALPACA))
    assert data.texts == ("Translate to French.", "Write a poem.")
    assert (data.field, data.n_empty, data.ids) == ("instruction", 1, ("0", "1"))
    assert data.rows[1] == ALPACA[1]
    assert data.column("score") == [None, 0.5]
    assert data.column("nothing") is None


def test_alpaca_input_is_appended(write):
    data = Instructions.read(write("a.json", ALPACA), input=True)
    assert data.texts == ("Translate to French.\n\nGood morning", "Write a poem.")


def test_input_must_exist(write):
    with pytest.raises(InputError, match="no field 'input' beside 'prompt'"):
        Instructions.read(write("a.jsonl", [{"prompt": "Hi there"}]), input=True)


def test_first_human_turn(write):
    data = Instructions.read(write("a.json", SHAREGPT))
    assert (data.texts, data.ids, data.n_empty) == (("Tell me a joke",), ("c1",), 1)


def test_first_user_message_and_its_text_parts(write):
    data = Instructions.read(write("a.jsonl", CHAT))
    assert data.texts == ("Sum 2 and 3.", "What is on\nthis picture?")


def test_turns(write):
    data = Instructions.read(
        write("a.jsonl", [{"question_id": 81, "turns": ["Write a post.", "Now shorter."]}])
    )
    assert (data.texts, data.ids) == (("Write a post.",), ("81",))


@pytest.mark.parametrize("name", ["prompt", "question", "query", "text", "Prompt"])
def test_plain_prompts(write, name):
    data = Instructions.read(write("a.csv", f"{name},answer\nWhy?,Because\n,none\n"))
    assert (data.texts, data.field, data.n_empty) == (("Why?",), name, 1)


def test_lines_and_strings(write):
    assert Instructions.read(write("a.txt", "One\n\nTwo\n")).texts == ("One", "Two")
    assert Instructions.read(write("a.json", ["One", None, "Two"])).texts == ("One", "Two")


def test_columns_and_parquet(write, tmp_path):
    import pyarrow as pa
    from pyarrow import parquet

    assert Instructions.read(write("a.json", {"prompt": ["One", "Two"], "n": [1, 2]})).texts == ("One", "Two")
    parquet.write_table(pa.Table.from_pylist(SHAREGPT), tmp_path / "a.parquet")
    assert Instructions.read(tmp_path / "a.parquet").texts == ("Tell me a joke",)


def test_halves_of_surrogates_and_nul_are_no_text(write):
    data = Instructions.read(write("a.jsonl", '{"prompt": "a\\ud800b\\u0000"}\n'))
    assert data.texts == ("a\ufffdb",)


@pytest.mark.parametrize(
    ("name", "content", "field", "message"),
    [
        ("a.jsonl", "", None, "a.jsonl is empty"),
        ("a.json", "[]", None, "a.json has no rows"),
        ("a.jsonl", '{"prompt": "x"}\n{"prompt": \n', None, "broken JSON on line 2"),
        ("a.jsonl", '{"prompt": "x"}\n\n{"prompt": 7}\n', None, "Line 3 of a.jsonl has a number as 'prompt'"),
        ("a.json", '[{"messages": [3]}]', None, "Item 0 of a.json has a mixed list as 'messages'"),
        ("a.jsonl", '{"instruction": ""}\n', None, "Every 'instruction' of a.jsonl is empty"),
        ("a.jsonl", '{"prompt": "x", "question": "y"}\n', None, "'prompt', 'question' of a.jsonl may all be"),
        ("a.jsonl", '{"a": "x", "b": "y"}\n', None, "choose one of 'a', 'b' with --field"),
        ("a.jsonl", '{"a": "x"}\n', "b", "no field 'b'; choose one of 'a'"),
        (
            "a.jsonl",
            '{"instruction": "x"}\n{"prompt": "y"}\n',
            None,
            "line 2 has no 'instruction' but 'prompt'",
        ),
        ("a.zip", "x", None, "extension '.zip'"),
    ],
)
def test_errors_say_where(write, name, content, field, message):
    path = write(name, content)
    with pytest.raises(InputError) as caught:
        Instructions.read(path, field=field)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(InputError, match="There is no file"):
        Instructions.read(tmp_path / "none.jsonl")
    with pytest.raises(InputError, match="is a folder; give one file"):
        Instructions.read(tmp_path)


def test_named_field_reads_past_other_forms(write):
    path = write("a.jsonl", [{"instruction": "x"}, {"prompt": "y"}])
    data = Instructions.read(path, field="prompt")
    assert (data.texts, data.n_empty) == (("y",), 1)


# ---------------------------------------------------------------- writing


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_json_is_written_as_it_was(write, tmp_path, name):
    data = Instructions.read(write(name, ALPACA))
    out = tmp_path / "out" / name
    data.write([1, 0], out, added={"task": ["a", "b"]})
    text = out.read_text("utf-8")
    rows = [json.loads(line) for line in text.splitlines()] if name == "a.jsonl" else json.loads(text)
    assert rows == [{**ALPACA[1], "task": "a"}, {**ALPACA[0], "task": "b"}]
    data.write([], out)
    assert out.read_text("utf-8") == ("" if name == "a.jsonl" else "[]\n")


def test_strings_stay_strings(write, tmp_path):
    data = Instructions.read(write("a.json", ["One", "", "Two"]))
    data.write([1], tmp_path / "b.json")
    assert json.loads((tmp_path / "b.json").read_text()) == ["Two"]


def test_columns_stay_columns(write, tmp_path):
    data = Instructions.read(write("a.json", {"prompt": ["One", "", "Two"], "n": [1, 2, 3]}))
    data.write([1], tmp_path / "b.json", added={"task": ["x"]})
    assert json.loads((tmp_path / "b.json").read_text()) == {"prompt": ["Two"], "n": [3], "task": ["x"]}


def test_csv_keeps_its_header_and_delimiter(write, tmp_path):
    data = Instructions.read(write("a.csv", 'id; Prompt ;note\n007;"a;b";\n008;c;"two\nlines"\n'))
    data.write([1, 0], tmp_path / "b.csv", added={"task": ["x", "y"]})
    with (tmp_path / "b.csv").open(newline="") as file:
        rows = list(csv.reader(file, delimiter=";"))
    assert rows == [
        ["id", " Prompt ", "note", "task"],
        ["008", "c", "two\nlines", "x"],
        ["007", "a;b", "", "y"],
    ]


def test_parquet_keeps_its_schema(tmp_path):
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema([("prompt", pa.string()), ("when", pa.timestamp("ns")), ("n", pa.int8())])
    table = pa.table({"prompt": ["One", None, "Two"], "when": [1, 2, 3], "n": [1, 2, 3]}, schema=schema)
    parquet.write_table(table, tmp_path / "a.parquet")
    data = Instructions.read(tmp_path / "a.parquet")
    data.write([1], tmp_path / "b.parquet")
    assert parquet.read_table(tmp_path / "b.parquet").equals(table.slice(2))
    data.write([1, 0], tmp_path / "c.parquet", added={"task": ["x", "y"], "n": [8, 9]})
    written = parquet.read_table(tmp_path / "c.parquet")
    assert written.column_names == ["prompt", "when", "n", "task"]
    assert written.column("n").to_pylist() == [8, 9]


def test_gz_stays_packed_and_reproducible(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"prompt": "One"}\n'))
    data = Instructions.read(path)
    data.write([0], tmp_path / "b.jsonl.gz")
    data.write([0], tmp_path / "c.jsonl.gz")
    assert gzip.decompress((tmp_path / "b.jsonl.gz").read_bytes()) == b'{"prompt": "One"}\n'
    assert (tmp_path / "b.jsonl.gz").read_bytes() == (tmp_path / "c.jsonl.gz").read_bytes()


def test_lone_surrogate_is_written_as_json_spells_it(write, tmp_path):
    data = Instructions.read(write("a.jsonl", '{"prompt": "a\\ud800b"}\n'))
    data.write([0], tmp_path / "b.jsonl")
    assert (tmp_path / "b.jsonl").read_text() == '{"prompt": "a\\ud800b"}\n'


def test_input_may_be_overwritten(write):
    path = write("a.jsonl", [{"prompt": "One"}, {"prompt": "Two"}])
    data = Instructions.read(path)
    data.write([1], path)
    assert path.read_text() == '{"prompt": "Two"}\n'
    assert not list(path.parent.glob(".*"))


def test_write_refuses_what_it_cannot_do(write, tmp_path):
    data = Instructions.read(write("a.txt", "One\nTwo\n"))
    with pytest.raises(InputError, match="from 0 to 1"):
        data.write([2], tmp_path / "b.txt")
    with pytest.raises(InputError, match="has lines, not fields"):
        data.write([0], tmp_path / "b.txt", added={"task": ["x"]})
    with pytest.raises(InputError, match="one value for every row"):
        data.write([0], tmp_path / "b.txt", added={"task": []})
    data.write([1], tmp_path / "b.txt")
    assert (tmp_path / "b.txt").read_text() == "Two\n"


@pytest.mark.parametrize(
    ("name", "field", "n"),
    [
        ("alpaca_5000", "instruction", 5000),
        ("gsm8k_test", "question", 1319),
        ("mt_bench80", "turns", 80),
        ("mbpp", "text", 974),
        ("t0_train_sample", "prompt", 6973),
    ],
)
def test_real_files(shared_data, name, field, n):
    data = Instructions.read(shared_data / "instructions" / f"{name}.jsonl")
    assert (data.field, len(data), len(set(data.ids))) == (field, n, n)
