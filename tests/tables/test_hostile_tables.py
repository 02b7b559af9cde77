"""Hostile tables: links out of a folder, files that unpack to gigabytes, damaged and deeply nested content."""

from __future__ import annotations

import csv
import gzip
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from goalspace.corpus import Corpus
from goalspace.errors import InputError
from goalspace.proposals.from_records import read_recorded
from goalspace.tables import delimited
from goalspace.tables.formats import read_rows


def shown(value: object) -> str:
    """A parameter in the name of a test."""
    return f"{len(value)} bytes" if isinstance(value, bytes) else str(value)


def refused(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        Corpus.read(path, text="text")
    said = str(caught.value)
    assert "\n" not in said
    return said


# ---------------------------------------------------------------- links


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    folder = tmp_path / "texts"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.txt").write_text("The first text.")
    (folder / "deep" / "b.md").write_text("The second text.")
    (tmp_path / "secret.txt").write_text("A secret.")
    return folder


@pytest.mark.parametrize("name", ["c.txt", "c.md", "deep/c.txt"])
def test_a_link_out_of_a_folder_of_texts_is_refused(texts: Path, name: str) -> None:
    (texts / name).symlink_to(texts.parent / "secret.txt")
    said = refused(texts)
    assert name in said
    assert "is a link to" in said
    assert "secret.txt" in said


def test_a_linked_folder_is_not_followed(texts: Path) -> None:
    outside = texts.parent / "outside"
    outside.mkdir()
    (outside / "c.txt").write_text("A secret.")
    (texts / "link").symlink_to(outside)
    assert Corpus.read(texts).ids == ("a.txt", "deep/b.md")


def test_a_link_within_a_folder_a_dangling_one_and_a_loop_are_read_or_left_out(texts: Path) -> None:
    (texts / "same.txt").symlink_to("deep/b.md")
    (texts / "gone.txt").symlink_to(texts.parent / "nothing.txt")
    (texts / "loop").symlink_to(texts)
    assert Corpus.read(texts).texts == ("The first text.", "The second text.")


def test_the_folder_and_the_file_that_a_user_names_may_be_links(texts: Path) -> None:
    (texts.parent / "link").symlink_to(texts)
    (texts.parent / "link.txt").symlink_to(texts / "a.txt")
    assert len(Corpus.read(texts.parent / "link")) == 2
    assert Corpus.read(texts.parent / "link.txt").texts == ("The first text.",)


def test_a_pipe_is_refused_and_does_not_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "t.csv")
    assert "neither a file nor a folder" in refused(tmp_path / "t.csv")


# ---------------------------------------------------------------- bombs

LIMITED = """
import resource, sys
import pandas, pyarrow.csv, pyarrow.parquet
from goalspace.corpus import Corpus
from goalspace.errors import InputError
from goalspace.tables import delimited
from goalspace.tables.formats import read_rows
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
before = peak()
for read in (lambda: Corpus.read(sys.argv[1], text="text"), lambda: read_rows(sys.argv[1])):
    try:
        read()
    except InputError as error:
        print(str(error))
    else:
        print("read")
print(peak() - before)
"""
GIGABYTES = 2


@pytest.mark.parametrize(
    ("name", "start", "repeated", "said"),
    [
        ("line.csv.gz", b"id,text\n1,", b"a", "larger than|longer than"),
        ("quote.csv.gz", b'id,text\n1,"', b"a" * 1023 + b"\n", "larger than|longer than"),
        ("line.jsonl.gz", b'{"text": "', b"a", "Line 1 of line.jsonl.gz is larger than 128 MB"),
        ("item.json.gz", b'[{"text": "', b"a", "Item 0 of item.json.gz is larger than 128 MB"),
        ("columns.json.gz", b'{"text": [', b'"a",\n', "Columns.json.gz is larger than 128 MB"),
        ("line.txt.gz", b"", b"a", "Line 1 of line.txt.gz is larger than 128 MB"),
    ],
)
def test_what_unpacks_to_gigabytes_is_read_in_bounded_memory(
    tmp_path: Path, name: str, start: bytes, repeated: bytes, said: str
) -> None:
    path = tmp_path / name
    once = gzip.compress(start, 1)
    block = gzip.compress(repeated * ((64 << 20) // len(repeated)), 1)
    path.write_bytes(once + block * (GIGABYTES << 4))  # gzip files can be joined
    assert path.stat().st_size < 40 << 20
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True, check=False, timeout=250
    )
    assert done.returncode == 0, done.stderr[-2000:]
    *lines, megabytes = done.stdout.splitlines()
    assert int(megabytes) < 500
    assert len(lines) == 2
    for line in lines:
        assert any(each in line for each in said.split("|")), line


# ---------------------------------------------------------------- content


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("deep.jsonl", b'{"text": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"),
        ("deep.json", b"[" * 100_000),
        ("digits.jsonl", b'{"text": "a", "n": ' + b"1" * 5000 + b"}\n"),
        ("text.csv", b"id,text\n1,\xff\xfe\n"),
        ("text.csv", b"id,text\n1,\x00\xff\n"),
        ("text.parquet", b"PAR1" + bytes(100) + b"PAR1"),
        ("text.jsonl.gz", gzip.compress(b'{"text": "a"}\n', mtime=0)[:-6]),
        ("text.txt.gz", b"\x1f\x8b\x08" + bytes(20)),
    ],
    ids=shown,
)
def test_damaged_tables_are_refused_with_one_line(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert name in refused(path)
    with pytest.raises(InputError):
        read_rows(path)


def test_a_parquet_file_with_invalid_utf8_is_read_or_refused(tmp_path: Path) -> None:
    broken = pa.Array.from_buffers(
        pa.string(),
        2,
        [None, pa.py_buffer(b"\0\0\0\0\4\0\0\0\x08\0\0\0"), pa.py_buffer(b"good\xff\xfe\xfdx")],
    )
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"text": broken, "n": [1, 2]}), path)
    assert "t.parquet" in refused(path)


# ---------------------------------------------------------------- recorded properties


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"id": "1", "properties": [1]}, "every property must be a text"),
        ({"id": "1", "properties": [{"property": 1}]}, "every property must be a text"),
        ({"id": "1", "properties": [{"property": "a", "quote": ["b"]}]}, "every property must be a text"),
        ({"id": "1", "properties": "a"}, "a list 'properties'"),
        ({"id": ["1"], "properties": []}, "'id' must be a text or a number"),
        ({"id": "1", "properties": [], "analysis": {"a": 1}}, "'analysis' a text"),
        ([], "found: list"),
        (None, "found: NoneType"),
    ],
)
def test_recorded_properties_of_other_types_are_refused(tmp_path: Path, line: object, said: str) -> None:
    path = tmp_path / "recorded.jsonl"
    path.write_text(json.dumps(line) + "\n", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_recorded(str(path), ["1"])
    assert said in str(caught.value)
    assert f"{path}, line 1: " in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"[" * 100_000, b'{"id": ' + b"1" * 5000 + b"}", b"\xff\xfe\n", b"{"], ids=shown
)
def test_a_recorded_file_that_is_not_json_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "recorded.jsonl"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"recorded\.jsonl"):
        read_recorded(str(path), ["1"])


def test_a_lone_surrogate_in_recorded_properties_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "recorded.jsonl"
    path.write_text('{"id": 1, "properties": ["late\\ud800 parcel"], "analysis": null}\n', encoding="utf-8")
    (answer,) = read_recorded(str(path), ["1"])
    assert answer is not None
    assert answer.properties == (("late\ufffd parcel", ""),)


# ---------------------------------------------------------------- quotes


@pytest.mark.parametrize("piece", [16, 100, 1000])
def test_quotes_within_unquoted_fields_do_not_split_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    """As the csv module reads it, wherever the pieces of the file end."""
    monkeypatch.setattr(delimited, "_CSV_PIECE", piece)
    draw = random.Random(1)
    values = (
        '5" pipe',
        '6" by 7" pipe',
        "plain",
        '"a\nb"',
        '"x ""y"" z\n\n"',
        '"say ""hi""\n"',
        '""',
        '"\n"',
    )
    path = tmp_path / "t.csv"
    for _ in range(100):
        lines = ["i,j", *(f"{n},{draw.choice(values)}" for n in range(40))]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        with path.open(encoding="utf-8", newline="") as file:
            expected = [row[1] or None for row in csv.reader(file)][1:]
        batches = delimited.csv_batches(path, ["i", "j"], ",")
        assert [row["j"] for batch in batches for row in batch.to_pylist()] == expected


def test_rows_are_counted_across_the_pieces_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delimited, "_CSV_PIECE", 16)
    path = tmp_path / "t.csv"
    path.write_text("id,text\n" + "1,some text\n" * 50 + "2,a,b\n" + "3,more\n" * 50, encoding="utf-8")
    assert "In row 52 of t.csv" in refused(path)
