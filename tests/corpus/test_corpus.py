"""Corpus: every format gives the same texts, folded and counted; bad input gives one clear line."""

from __future__ import annotations

import csv
import gc
import gzip
import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from goalspace.corpus import Corpus
from goalspace.errors import InputError

TEXTS = [
    "The bank froze my account, and nobody told me why.",
    'She said "call back later" — twice;\nand then hung up.',
    "القرض مرفوض بدون سبب واضح",
    "银行没有任何解释就冻结了我的账户",
    "🎉 finally solved <script>alert('no')</script> \t thanks",
]
ROWS = [
    {"ref_id": f"00{i}", "text": text, "product": ["loan", "card"][i % 2], "month": i}
    for i, text in enumerate(TEXTS)
]


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def write_csv(path: Path, rows: list[dict[str, Any]], delimiter: str = ",") -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_jsonl(path: Path, rows: list[Any]) -> Path:
    return write(path, "".join(json.dumps(row) + "\n" for row in rows))


def same(left: Corpus, right: Corpus) -> None:
    assert left.ids == right.ids
    assert left.texts == right.texts
    assert left.counts.dtype == right.counts.dtype == np.int64
    assert left.counts.tolist() == right.counts.tolist()
    assert dict(left.duplicates) == dict(right.duplicates)
    assert dict(left.metadata) == dict(right.metadata)
    assert left.folded == right.folded
    assert not left.folded or dict(left.folded_metadata) == dict(right.folded_metadata)
    assert dict(left.stats) == dict(right.stats)
    assert (left.text_column, left.id_column) == (right.text_column, right.id_column)
    assert left.digest == right.digest


def message(source: Any, **columns: str) -> str:
    with pytest.raises(InputError) as caught:
        Corpus.read(source, **columns)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ---------------------------------------------------------------- formats


@pytest.fixture
def sources(tmp_path: Path) -> dict[str, Any]:
    columns = {key: [row[key] for row in ROWS] for key in ROWS[0]}
    jsonl = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    with gzip.open(tmp_path / "a.jsonl.gz", "wb") as file:
        file.write(jsonl.encode())
    return {
        "csv": write_csv(tmp_path / "a.csv", ROWS),
        "semicolon": write_csv(tmp_path / "b.csv", ROWS, ";"),
        "pipe": write_csv(tmp_path / "c.csv", ROWS, "|"),
        "tsv": write_csv(tmp_path / "a.tsv", ROWS, "\t"),
        "csv with mark": write(tmp_path / "d.csv", b"\xef\xbb\xbf" + (tmp_path / "a.csv").read_bytes()),
        "jsonl": write(tmp_path / "a.jsonl", "\ufeff" + jsonl),
        "ndjson": write(tmp_path / "a.ndjson", jsonl.replace("\n", "\r\n\r\n")),
        "jsonl.gz": tmp_path / "a.jsonl.gz",
        "jsonl named json": write(tmp_path / "a.json", jsonl),
        "json array": write(tmp_path / "b.json", json.dumps(ROWS)),
        "indented json": write(tmp_path / "c.json", "\n" + json.dumps(ROWS, indent=4, ensure_ascii=False)),
        "json columns": write(tmp_path / "d.json", json.dumps(columns)),
        "indented json columns": write(tmp_path / "e.json", json.dumps(columns, indent=1)),
        "parquet": str(tmp_path / "a.parquet"),
        "pandas": pd.DataFrame(ROWS),
        "polars": pl.DataFrame(ROWS),
        "pyarrow": pa.table(columns),
        "mappings": ROWS,
    }


def test_every_table_format_gives_the_same_corpus(sources: dict[str, Any]) -> None:
    for name, source in sources.items():
        corpus = Corpus.read(source)
        assert corpus.texts == tuple(TEXTS), name
        assert corpus.ids == ("000", "001", "002", "003", "004"), name
        assert list(corpus.metadata) == ["product", "month"], name
        assert corpus.metadata["product"] == ["loan", "card", "loan", "card", "loan"], name
        assert [int(month) for month in corpus.metadata["month"]] == [0, 1, 2, 3, 4], name
        assert (corpus.text_column, corpus.id_column) == ("text", "ref_id"), name
        assert corpus.stats == {"n_read": 5, "n_texts": 5, "n_duplicates": 0, "n_empty": 0}, name


@pytest.mark.parametrize(
    "kind", ["list", "tuple", "numpy", "pandas", "polars", "json", "jsonl", "txt", "txt.gz"]
)
def test_sequences_of_strings(kind: str, tmp_path: Path) -> None:
    texts = [text.replace("\n", " ") for text in TEXTS]
    lines = "\n".join(texts).encode()
    source: Any = {
        "list": lambda: texts,
        "tuple": lambda: tuple(texts),
        "numpy": lambda: np.array(texts),
        "pandas": lambda: pd.Series(texts, name="whatever"),
        "polars": lambda: pl.Series("whatever", texts),
        "json": lambda: write(tmp_path / "a.json", json.dumps(texts)),
        "jsonl": lambda: write_jsonl(tmp_path / "a.jsonl", texts),
        "txt": lambda: write(tmp_path / "a.txt", lines),
        "txt.gz": lambda: write(tmp_path / "a.txt.gz", gzip.compress(lines)),
    }[kind]()
    corpus = Corpus.read(source)
    assert corpus.texts == tuple(texts)
    assert corpus.ids == ("0", "1", "2", "3", "4")
    assert corpus.id_column is None
    assert len(corpus.metadata) == 0
    assert all(type(text) is str for text in corpus.texts)


def test_lines_keep_their_number_as_id(tmp_path: Path) -> None:
    corpus = Corpus.read(write(tmp_path / "a.txt", "first\r\n\r\n  third\u2028line \nfirst\n"))
    assert corpus.texts == ("first", "third\u2028line")
    assert corpus.ids == ("0", "2")
    assert corpus.duplicates == {"0": ("3",)}
    assert corpus.stats == {"n_read": 4, "n_texts": 2, "n_duplicates": 1, "n_empty": 1}


def test_folder_is_searched_in_sorted_order(tmp_path: Path) -> None:
    for name in ("b.txt", "a/z.md", "a/deep/er.TXT", "a/.hidden.md", ".git/x.txt", "skip.csv", "empty.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("" if name == "empty.md" else f"# text\nof {name}\n", encoding="utf-8")
    corpus = Corpus.read(tmp_path)
    assert corpus.ids == ("a/deep/er.TXT", "a/z.md", "b.txt")
    assert corpus.texts[1] == "# text\nof a/z.md"
    assert corpus.stats["n_empty"] == 1
    assert len(corpus.metadata) == 0


def test_csv_keeps_strings_as_they_are(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv",
        '\r\nid,text,zip,,zip,note\r\n007,"a ""quoted""\r\nline, here",012,x,y,NA\r\n\r\n08,5" pipe,,,,\r\n',
    )
    corpus = Corpus.read(path, text="text")
    assert corpus.ids == ("007", "08")
    assert corpus.texts == ('a "quoted"\r\nline, here', '5" pipe')
    assert dict(corpus.metadata) == {
        "zip": ["012", None],
        "column 4": ["x", None],
        "zip_2": ["y", None],
        "note": ["NA", None],
    }


def test_texts_longer_than_any_piece(tmp_path: Path) -> None:
    long = "line with, comma\n" * 130_000
    rows = [{"id": str(i), "text": f"{i} {long}" if i == 3 else f"short {i}"} for i in range(6)]
    frame = pd.DataFrame(rows)
    frame.to_parquet(tmp_path / "a.parquet")
    sources = [
        write_csv(tmp_path / "a.csv", rows),
        write_jsonl(tmp_path / "a.jsonl", rows),
        tmp_path / "a.parquet",
    ]
    sources.append(write(tmp_path / "a.json", json.dumps(rows, indent=2)))
    assert len(long) > 2_000_000
    for source in sources:
        corpus = Corpus.read(source)
        assert len(corpus) == 6
        assert corpus.texts[3] == f"3 {long}".strip()
    assert len(Corpus.read([long])) == 1


def test_json_array_is_read_across_pieces(tmp_path: Path) -> None:
    rows = [{"id": i, "text": f"text {i} " + 'ü[]{},\\"' * (i % 40), "n": {"a": [i]}} for i in range(12_000)]
    path = write(tmp_path / "a.json", json.dumps(rows, ensure_ascii=False))
    assert path.stat().st_size > 2 * 2**20
    corpus = Corpus.read(path)
    assert corpus.texts == tuple(row["text"].strip() for row in rows)
    assert corpus.metadata["n"][-1] == '{"a": [11999]}'


# ---------------------------------------------------------------- folding, cleaning, types


def test_duplicates_are_folded_and_empty_texts_dropped() -> None:
    rows = [
        {"id": "a", "text": " same text ", "kind": 1},
        {"id": "b", "text": None, "kind": 2},
        {"id": "c", "text": "same text", "kind": 3},
        {"id": "d", "text": "\t\n", "kind": 4},
        {"id": "e", "text": "other\0 text\n", "kind": 5},
        {"id": "f", "text": "same text\n", "kind": 6},
        {"id": None, "text": float("nan"), "kind": 7},
        {"id": "h", "text": "\0", "kind": 8},
    ]
    for source in (rows, pd.DataFrame(rows)):
        corpus = Corpus.read(source)
        assert corpus.ids == ("a", "e")
        assert corpus.texts == ("same text", "other text")
        assert corpus.counts.tolist() == [3, 1]
        assert corpus.duplicates == {"a": ("c", "f")}
        assert corpus.metadata["kind"] == [1, 5]
        assert corpus.folded == ("c", "f")
        assert corpus.folded_metadata["kind"] == [3, 6]
        assert corpus.stats == {"n_read": 8, "n_texts": 2, "n_duplicates": 2, "n_empty": 4}
    with pytest.raises(ValueError, match="read-only"):
        corpus.counts[0] = 7


def test_many_identical_texts_fold_to_one(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text,n\n" + "the very same complaint,1\n" * 100_000)
    corpus = Corpus.read(path)
    assert len(corpus) == 1
    assert corpus.counts.tolist() == [100_000]
    assert len(corpus.duplicates["0"]) == 99_999
    corpus.save(tmp_path / "corpus.parquet")
    same(Corpus.load(tmp_path / "corpus.parquet"), corpus)


def test_metadata_types() -> None:
    rows = [
        {
            "text": "one text",
            "list": [1, "ü"],
            "mixed": 1,
            "big": 2**70,
            "flag": True,
            "float": 1,
            "day": "2024-01-02",
        },
        {
            "text": "two texts",
            "list": None,
            "mixed": "x",
            "big": 1,
            "flag": None,
            "float": 0.5,
            "late": 1700000000,
        },
    ]
    assert dict(Corpus.read(rows).metadata) == {
        "list": ['[1, "ü"]', None],
        "mixed": ["1", "x"],
        "big": [str(2**70), "1"],
        "flag": [True, None],
        "float": [1.0, 0.5],
        "day": ["2024-01-02", None],
        "late": [None, 1700000000],
    }


def test_frames_of_every_type(tmp_path: Path) -> None:
    day = datetime(2024, 2, 3, 4, 5)
    frame = pd.DataFrame(
        {
            "text": ["one text", "two texts"],
            3: pd.Categorical(["u", "v"]),
            "mixed": [1, "x"],
            "day": pd.to_datetime([day, None]).astype("datetime64[ns]"),
            "whole": pd.array([1, None], dtype="Int64"),
        },
        index=pd.Index(["r1", "r2"], name="row_id"),
    )
    corpus = Corpus.read(frame)
    assert corpus.ids == ("r1", "r2")
    assert dict(corpus.metadata) == {
        "3": ["u", "v"],
        "mixed": ["1", "x"],
        "day": [day, None],
        "whole": [1, None],
    }
    table = pa.table(
        {
            "text": pa.array([b"one text", b"two texts"]),
            "view": pa.array(["a", None], pa.string_view()),
            "struct": [{"x": 1, "t": day}, None],
            "bytes": [b"\xff\x00", b"ok"],
            "time": pa.array([1, 2], pa.time64("ns")),
            "half": pa.array([np.float16(0.5), None], pa.float16()),
            "a.b": [1, 2],
            "a": [3, 4],
        }
    )
    pq.write_table(table.drop_columns(["half"]), tmp_path / "a.parquet")
    for source in (table, tmp_path / "a.parquet"):
        corpus = Corpus.read(source)
        assert corpus.texts == ("one text", "two texts")
        assert corpus.metadata["view"] == ["a", None]
        assert corpus.metadata["struct"] == ['{"x": 1, "t": "2024-02-03 04:05:00"}', None]
        assert corpus.metadata["bytes"] == ["<2 bytes>", "ok"]
        corpus.save(tmp_path / "c.parquet")
        loaded = Corpus.load(tmp_path / "c.parquet")
        assert (loaded.metadata["a.b"], loaded.metadata["a"]) == ([1, 2], [3, 4])


def test_one_json_object_is_one_row(tmp_path: Path) -> None:
    for content in ('{"text": "a", "n": [1]}', '{\n "text": "a",\n "n": [1]\n}\n'):
        corpus = Corpus.read(write(tmp_path / "a.json", content))
        assert (corpus.texts, dict(corpus.metadata)) == (("a",), {"n": ["[1]"]})


def test_lone_surrogates_become_replacement_characters(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.jsonl", r'{"text": "broken \ud83d half", "m": ["\ud83d\ude00", "\udc00"]}' + "\n"
    )
    corpus = Corpus.read(path)
    assert corpus.texts == ("broken \ufffd half",)
    assert corpus.metadata["m"] == ['["😀", "\ufffd"]']


# ---------------------------------------------------------------- which column


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (
            {"subject": "My card was not delivered today", "body": "It was promised to arrive last week"},
            "body",
        ),
        (
            {"title": "A long title of many words", "narrative_en": "It was promised to arrive last week"},
            "narrative_en",
        ),
        (
            {"name": "Ada B. Cole", "date": "Mon Jan 01 2024 10:00", "said": "It was promised to arrive"},
            "said",
        ),
        ({"message": "ok", "tier": "gold"}, "message"),
        ({"Complaint Text": "银行没有任何解释就冻结了我的账户", "Kind": "信用卡"}, "Complaint Text"),
        ({"tokens": "['one', 'two', 'three', 'four']", "said": "It was promised to arrive"}, "said"),
        ({"anything": "x"}, "anything"),
    ],
)
def test_text_column_is_guessed(columns: dict[str, str], expected: str) -> None:
    rows = [{name: f"{value} {'abcdefghij'[i]}" for name, value in columns.items()} for i in range(10)]
    assert Corpus.read(rows).text_column == expected


def test_categories_are_not_texts() -> None:
    reply = "Company has closed the case with an explanation"
    rows = [{"reply": reply, "said": f"the delivery number {'abcdefghij'[i]} is late"} for i in range(10)]
    assert Corpus.read(rows).text_column == "said"


def test_two_candidates_are_listed() -> None:
    rows = [
        {"question": f"what is the answer to {w}", "answer": f"the answer to it is {w}"} for w in "abcdef"
    ]
    assert message(rows) == (
        "The columns 'question', 'answer' of the list may all hold the texts; choose one with --text NAME."
    )
    assert Corpus.read(rows, text="answer").texts[0] == "the answer to it is a"
    assert "no column 'Answer'; choose one of 'question', 'answer' with --text" in message(
        rows, text="Answer"
    )


def test_no_candidate_lists_the_columns() -> None:
    rows = [{f"c{i}": i for i in range(30)}]
    assert message(rows).startswith("No column of the list looks like texts; choose one of 'c0', 'c1',")
    assert "'c19' and 10 more" in message(rows)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"id": "unique", "user_id": "unique"}, "id"),
        ({"case_id": "unique", "user_id": "repeated"}, "case_id"),
        ({"Complaint ID": "unique"}, "Complaint ID"),
        ({"caseId": "unique"}, "caseId"),
        ({"uuid": "unique", "key": "missing"}, "uuid"),
        ({"case_id": "unique", "row_id": "unique"}, None),
        ({"id": "repeated"}, None),
        ({"paid": "unique"}, None),
    ],
)
def test_id_column_is_guessed(columns: dict[str, str], expected: str | None) -> None:
    values = {"unique": ["7", "8", "9"], "repeated": ["7", "8", "7"], "missing": ["7", None, "9"]}
    rows = [
        {"text": f"text {i}"} | {name: values[kind][i] for name, kind in columns.items()} for i in range(3)
    ]
    corpus = Corpus.read(rows)
    assert corpus.id_column == expected
    assert corpus.ids == (("7", "8", "9") if expected else ("0", "1", "2"))
    assert list(corpus.metadata) == [name for name in columns if name != expected]


def test_given_ids_must_be_unique_and_complete(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'no,text\n1,"one\ntext"\n2,two\n,\n1,three\n')
    assert message(path, id="no") == (
        "The id column 'no' of a.csv repeats '1' of row 2 in row 5; "
        "make the ids unique and complete, or choose another column with --id."
    )
    jsonl = write_jsonl(tmp_path / "a.jsonl", [{"no": 1, "text": "one"}, {"text": "two"}])
    assert "'no' of a.jsonl has no value in record 2;" in message(jsonl, id="no")
    frame = pd.DataFrame({"no": [1, 2, None], "text": ["one", "two", None]})
    assert Corpus.read(frame, id="no").ids == ("1", "2")
    assert "a.csv has no column 'nr'; choose one of 'no', 'text' with --id NAME." in message(path, id="nr")


# ---------------------------------------------------------------- disk


def test_saved_is_loaded_and_bytes_are_stable(tmp_path: Path) -> None:
    n = 3000
    rows = [
        {"id": i, "text": f"text {i % 2900}", "count": i, "duplicates": f"d{i}", "count_2": [i]}
        for i in range(n)
    ]
    corpus = Corpus.read(rows)
    corpus.save(tmp_path / "a.parquet")
    loaded = Corpus.load(tmp_path / "a.parquet")
    same(loaded, corpus)
    assert list(loaded.metadata) == ["count", "duplicates", "count_2"]
    loaded.save(tmp_path / "b.parquet")
    Corpus.read(rows).save(tmp_path / "c.parquet")
    loaded.save(tmp_path / "a.parquet")  # over the file that its metadata are read from
    contents = {(tmp_path / f"{name}.parquet").read_bytes() for name in "abc"}
    assert len(contents) == 1
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.parquet", "b.parquet", "c.parquet"]
    same(loaded, corpus)
    assert pq.read_table(tmp_path / "a.parquet").column_names[:4] == ["id", "text", "count", "duplicates"]


def test_a_corpus_made_by_hand_is_saved(tmp_path: Path) -> None:
    corpus = Corpus(("a", "b"), ("one", "two"), np.ones(2, dtype=np.int64), metadata={"kind": ["x", None]})
    corpus.save(tmp_path / "a.parquet")
    same(Corpus.load(tmp_path / "a.parquet"), corpus)
    assert repr(corpus) == "Corpus(2 texts, 2 rows, metadata: kind)"


def test_duplicates_keep_their_metadata(tmp_path: Path) -> None:
    rows = [{"id": f"r{i}", "text": f"text {i % 1500}", "n": i, "word": f"w{i}"} for i in range(4000)]
    Corpus.read(rows).save(tmp_path / "a.parquet")
    corpus = Corpus.load(tmp_path / "a.parquet")
    assert corpus.metadata["n"] == list(range(1500))
    assert corpus.metadata_of(1499)["word"] == "w1499"
    assert corpus.folded == tuple(f"r{i}" for i in range(1500, 4000))
    assert corpus.folded_metadata["n"] == list(range(1500, 4000))
    corpus = replace(corpus, metadata={"task": ["x"] * 1500, **corpus.metadata})
    corpus.save(tmp_path / "b.parquet")  # a column that only the texts have
    loaded = Corpus.load(tmp_path / "b.parquet")
    assert loaded.folded_metadata["task"] == [None] * 2500
    assert loaded.folded_metadata["word"] == [f"w{i}" for i in range(1500, 4000)]


def test_a_corpus_of_the_first_format_opens(tmp_path: Path) -> None:
    rows = [{"text": f"text {i % 2}", "n": i} for i in range(3)]
    corpus = replace(Corpus.read(rows), folded=(), folded_metadata={})
    corpus.save(tmp_path / "a.parquet")
    table = pq.read_table(tmp_path / "a.parquet")
    header = json.loads(table.schema.metadata[b"goalspace"])
    old = table.replace_schema_metadata({"goalspace": json.dumps({**header, "format": 1})})
    pq.write_table(old, tmp_path / "old.parquet")
    same(Corpus.load(tmp_path / "old.parquet"), corpus)


def test_digest_tells_ids_and_texts_apart() -> None:
    corpora = [
        Corpus.read(["a b", "c"]),
        Corpus.read(["a", "b c"]),
        Corpus.read(["c", "a b"]),
        Corpus.read([{"id": "1", "text": "a b"}, {"id": "0", "text": "c"}]),
    ]
    assert len({corpus.digest for corpus in corpora}) == 4
    assert Corpus.read(["a b", "c", "c"]).digest == corpora[0].digest


def test_temporary_files_go_with_the_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    rows = [{"text": f"text {i}", "n": i} for i in range(2000)]
    corpus = Corpus.read(rows)
    metadata = corpus.metadata
    assert len(list(tmp_path.iterdir())) == 1
    del corpus
    gc.collect()
    assert metadata["n"][-1] == 1999
    del metadata
    gc.collect()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError):
        Corpus.read([*rows, {"text": "more", "n": None}], id="n")
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_load_refuses_files_that_are_not_a_corpus(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no\.parquet cannot be read \("):
        Corpus.load(tmp_path / "no.parquet")
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="not a corpus of this version"):
        Corpus.load(tmp_path / "a.parquet")


_MEASURE = """
import sys
import pandas, pyarrow.csv, pyarrow.parquet
from goalspace.corpus import Corpus
def peak(): return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) / 1024
Corpus.read(sys.argv[1], text="text").save(sys.argv[3])
before = peak()
corpus = Corpus.read(sys.argv[2], text="text")
corpus.save(sys.argv[3])
print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
@pytest.mark.parametrize("extension", ["csv", "jsonl", "json", "parquet"])
def test_memory_does_not_grow_with_other_columns(extension: str, tmp_path: Path) -> None:
    wide = " ".join(f"word{i}" for i in range(130))  # 1 kB in each of 8 columns that nobody asks for
    names = ["text", *(f"wide{j}" for j in range(8))]
    paths = [tmp_path / f"{n_rows}.{extension}" for n_rows in (2000, 16_000)]
    for path in paths:
        rows = [[f"text {i}", *(f"{i} {j} {wide}" for j in range(8))] for i in range(int(path.stem))]
        if extension == "parquet":
            columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
            pq.write_table(pa.table(columns), path, use_dictionary=False, compression="none")
        elif extension == "csv":
            write(path, "\n".join(map(",".join, [names, *rows])))
        else:
            objects = [json.dumps(dict(zip(names, row, strict=True))) for row in rows]
            write(path, "\n".join(objects) if extension == "jsonl" else f"[{','.join(objects)}]")
    more = (paths[1].stat().st_size - paths[0].stat().st_size) / 2**20
    command = [sys.executable, "-c", _MEASURE, *map(str, paths), str(tmp_path / "corpus.parquet")]
    grown = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert grown < 0.7 * more  # were the columns kept, it would be more than 1.0


# ---------------------------------------------------------------- bad input


def test_one_line_for_every_bad_file(tmp_path: Path) -> None:
    good = "text,n\n" + "a fine text,1\n" * 3
    png = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20
    cases: dict[str, tuple[bytes, str]] = {
        "empty.csv": (b"", "empty.csv is empty."),
        "mark.jsonl": (b"\xef\xbb\xbf\n", "mark.jsonl is empty."),
        "header.csv": (b"text,n", "header.csv has no rows."),
        "none.json": (b"[]", "none.json has no rows."),
        "blank.csv": (
            b"text,n\n ,1\n,2\n",
            "Every text in column 'text' of blank.csv is empty (rows read: 2).",
        ),
        "null.jsonl": (
            b'{"text": null}\n',
            "Every text in column 'text' of null.jsonl is empty (rows read: 1).",
        ),
        "numbers.csv": (
            b"text,n\n12,1\n-3.5,2\n",
            "The column 'text' of numbers.csv holds numbers, not texts;",
        ),
        "numbers.jsonl": (b'{"text": 1}\n', "The column 'text' of numbers.jsonl holds numbers, not texts;"),
        "nested.jsonl": (
            b'{"text": ["a"]}\n',
            "The column 'text' of nested.jsonl holds nested values, not texts;",
        ),
        "latin.csv": (
            good.encode() + "café,2\n".encode("latin-1"),
            "latin.csv is not UTF-8: byte 0xe9 at offset 52 (line 5); save the file as UTF-8.",
        ),
        "cut.txt": (b"fine\ncut \xe2\x82", "cut.txt is not UTF-8: byte 0xe2 at offset 9 (line 2);"),
        "utf16.csv": (good.encode("utf-16"), "utf16.csv is UTF-16 text; save it as UTF-8."),
        "utf16le.txt": (good.encode("utf-16-le"), "utf16le.txt is a binary file or UTF-16 text;"),
        "image.csv": (png, "image.csv is a binary file, not text."),
        "image.jsonl": (png, "image.jsonl is a binary file, not text."),
        "table.csv": (b"PK\x03\x04" + png, "table.csv holds a zip or Excel file, not text;"),
        "table.xlsx": (
            b"PK\x03\x04" + png,
            "table.xlsx has the extension '.xlsx', which is not supported; give a .csv,",
        ),
        "table": (good.encode(), "table has no extension; give a .csv,"),
        "broken.jsonl": (
            b'{"text": "a"}\n\n{"text": "b"\n',
            "broken.jsonl has broken JSON on line 3: Expecting ','",
        ),
        "item.jsonl": (
            b'"a"\n7\n',
            "Line 2 of item.jsonl is of type int; every one must be a text, or an object",
        ),
        "array.json": (
            b'[\n{"text": "a"},\n{"text": b}\n]',
            "array.json has broken JSON on line 3: Expecting value.",
        ),
        "comma.json": (b'["a"\n\n"b"]', "comma.json has broken JSON on line 3: Expecting ',' delimiter."),
        "open.json": (b'["a",\n"b"\n', "open.json has broken JSON on line 2: the array is not closed."),
        "after.json": (
            b'["a"]\n["b"]',
            "after.json has broken JSON on line 1: there is more after the array.",
        ),
        "object.json": (
            b'{\n"text": ["a"],\n"n": [1}',
            "object.json has broken JSON on line 3: Expecting ','",
        ),
        "uneven.json": (
            b'{"text": ["a", "b"], "n": [1]}',
            "uneven.json differ in length: 'text' has 2, 'n' has 1.",
        ),
        "number.json": (b"12", "Item 0 of number.json is of type int;"),
        "deep.jsonl": (b"[" * 100_000, "deep.jsonl has broken JSON on line 1: "),
        "ragged.csv": (
            good.encode() + b"one, two,3\n",
            "In row 5 of ragged.csv the number of fields is 3, in the header 2; quote fields that",
        ),
        "short.tsv": (
            b"text\tn\nonly a text\n",
            "In row 2 of short.tsv the number of fields is 1, in the header 2;",
        ),
        "quote.csv": (
            b'n,text\n1,"open\n2,more\n',
            "The last row of quote.csv opens a quote that is never closed;",
        ),
        "no.parquet": (good.encode(), "no.parquet cannot be read: Parquet magic bytes not found"),
        "no.csv.gz": (good.encode(), "no.csv.gz is not a complete gzip file (Not a gzipped file"),
        "cut.csv.gz": (gzip.compress(good.encode() * 99)[:-20], "cut.csv.gz is not a complete gzip file ("),
    }
    for name, (content, expected) in cases.items():
        assert expected in message(write(tmp_path / name, content)), name


def test_ragged_row_far_into_the_file(tmp_path: Path) -> None:
    rows = "".join(f'"text {i}\nover, two lines",{i}\n' for i in range(100_000))
    path = write(tmp_path / "a.csv", "text,n\n" + rows + "bad\n" + rows)
    assert message(path, text="text").startswith("In row 100002 of a.csv the number of fields is 1,")


def test_wrong_byte_far_into_the_file(tmp_path: Path) -> None:
    rows = "ä text in two byte letters: äöü,1\n".encode() * 80_000
    path = write(tmp_path / "a.csv", b"text,n\n" + rows + b"\xfc,2\n" + rows)
    expected = (
        f"a.csv is not UTF-8: byte 0xfc at offset {7 + len(rows)} (line 80002); save the file as UTF-8."
    )
    assert message(path) == expected
    assert message(path, text="text") == expected


def test_bad_sources(tmp_path: Path) -> None:
    assert message(tmp_path / "no.csv") == f"There is no file {str(tmp_path / 'no.csv')!r}; check the path."
    assert message("a text instead of a path " * 100).startswith("There is no file 'a text instead of a path")
    assert message("").startswith("There is no file ''")
    (tmp_path / "folder").mkdir()
    assert message(tmp_path / "folder").endswith("contains no .txt or .md file.")
    write(tmp_path / "folder" / "bad.txt", b"caf\xe9")
    assert "bad.txt is not UTF-8: byte 0xe9 at offset 3 (line 1)" in message(tmp_path / "folder")
    assert message([]) == "The list is empty; give at least one text."
    assert message(["a", 3]).startswith("Item 1 of the list is of type int;")
    assert message(["", " ", None]) == "Every text in column 'text' of the list is empty (rows read: 3)."
    for source in (7, b"a", {"text": ["a"]}, {"a", "b"}, None):
        assert message(source).endswith(f"Got {type(source).__name__} instead.")
    assert message(pl.DataFrame({"text": ["a"]}).lazy()).endswith("Got polars LazyFrame instead.")
    assert message(pd.DataFrame({"text": [1, 2], "n": 1}), text="text").startswith(
        "The column 'text' of the data frame holds numbers, not texts;"
    )
    assert message(pd.DataFrame()) == "the data frame has no rows."


# ---------------------------------------------------------------- properties

# no NUL and no lone surrogates: they are cleaned away, which other tests show
_ANY = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
_ROWS = st.lists(st.fixed_dictionaries({"text": _ANY, "word": _ANY}), min_size=1, max_size=8)


def _expected(rows: list[dict[str, str]]) -> dict[str, list[int]]:
    folded: dict[str, list[int]] = {}
    for number, row in enumerate(rows):
        if row["text"].strip():
            folded.setdefault(row["text"].strip(), []).append(number)
    return folded


@pytest.mark.parametrize("extension", ["csv", "jsonl", "parquet", "json"])
@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(rows=_ROWS)
def test_what_was_written_is_read(extension: str, rows: list[dict[str, str]], tmp_path: Path) -> None:
    path = tmp_path / f"a.{extension}"
    rows = [
        {"text": "first text", "word": "x"},
        *({"text": row["text"], "word": row["word"]} for row in rows),
    ]
    if extension == "csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, quoting=csv.QUOTE_ALL).writerows(
                [["text", "word"], *(row.values() for row in rows)]
            )
    elif extension == "jsonl":
        write_jsonl(path, rows)
    elif extension == "json":
        write(path, json.dumps(rows, ensure_ascii=False))
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    corpus = Corpus.read(path, text="text")
    expected = _expected(rows)
    assert corpus.texts == tuple(expected)
    assert corpus.counts.tolist() == [len(numbers) for numbers in expected.values()]
    assert corpus.ids == tuple(str(numbers[0]) for numbers in expected.values())
    words = [rows[numbers[0]]["word"] for numbers in expected.values()]
    assert corpus.metadata["word"] == [word or (None if extension == "csv" else "") for word in words]
    corpus.save(tmp_path / "c.parquet")
    same(Corpus.load(tmp_path / "c.parquet"), corpus)


# ---------------------------------------------------------------- real data


@pytest.mark.parametrize(
    ("name", "text", "id", "n_texts"),
    [
        ("bills/bills.jsonl", "summary", "id", 997),
        ("cfpb/cfpb_product_labelled.jsonl", "text", "complaint_id", 1160),
        ("intents/banking77.jsonl", "text", None, 13072),
        ("syngoalex/syngoalex.jsonl", "text", None, 1023),
        ("inspired/train.jsonl", "full_situation", None, 1442),
        ("ieb/eft_train_unsup.jsonl", "instruction", None, 16985),
        ("instructions/vicuna80.jsonl", "text", "question_id", 80),
    ],
)
def test_shared_data_need_no_column_names(
    shared_data: Path, name: str, text: str, id: str | None, n_texts: int
) -> None:
    corpus = Corpus.read(shared_data / name)
    assert (corpus.text_column, corpus.id_column, len(corpus)) == (text, id, n_texts)
    assert corpus.counts.sum() == corpus.stats["n_read"]


def test_shared_bills_keep_their_metadata(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "bills" / "bills.jsonl"
    rows = {row["id"]: row for row in map(json.loads, path.read_text(encoding="utf-8").splitlines())}
    corpus = Corpus.read(path)
    corpus.save(tmp_path / "corpus.parquet")
    loaded = Corpus.load(tmp_path / "corpus.parquet")
    same(loaded, corpus)
    for name in ("topic", "subtopic", "year", "congress"):
        assert loaded.metadata[name] == [rows[id_][name] for id_ in corpus.ids]
    assert all(
        rows[id_]["summary"].strip() == text for id_, text in zip(corpus.ids, corpus.texts, strict=True)
    )


def test_shared_alpaca_has_several_candidates(shared_data: Path) -> None:
    expected = "The columns 'instruction', 'input', 'output' of alpaca_5000.jsonl may all hold the texts;"
    assert message(shared_data / "instructions" / "alpaca_5000.jsonl").startswith(expected)
