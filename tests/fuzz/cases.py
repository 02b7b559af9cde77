"""Cases of the fuzzer: a mutated run folder, table or edit, each of which must be read or refused with one line."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import traceback
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from factories import MONTHS, TOPICS, make_corpus, make_factors, make_run
from fuzz.mutations import Files, mutate, mutate_bytes, mutate_json
from goalspace.corpus import Corpus
from goalspace.edits import log
from goalspace.edits.apply import apply
from goalspace.errors import GoalspaceError
from goalspace.factors import Factors
from goalspace.factors.hierarchy import Layer
from goalspace.links.features import Blocks
from goalspace.links.heads import PairTable
from goalspace.links.towers import Space, TextTower
from goalspace.run.folder import Run

KINDS = ("run", "run", "run", "table", "edit")  # runs have most files, and most that can go wrong
_N_TEXTS = 30


class FlatEncoder:
    """An encoder without a model: the first letters of a text as numbers."""

    name = "flat"

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return (n_texts, dim) float32, of length 1."""
        vectors = np.ones((len(texts), self.dim), dtype=np.float32)
        for row, text in enumerate(texts):
            codes = [ord(letter) % 31 for letter in text[: self.dim]]
            vectors[row, : len(codes)] += codes
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def make_base(folder: Path) -> None:
    """Save a finished run of 30 texts whose folder has every kind of file: a trained head, and edits."""
    rng = np.random.default_rng(0)
    topic = np.arange(_N_TEXTS) % (len(TOPICS) + 1)
    topic[topic == len(TOPICS)] = -1
    texts = [
        TOPICS[t][1].format(n=i) + " Please help." if t >= 0 else f"Hello, question number {i}."
        for i, t in enumerate(topic)
    ]
    corpus = make_corpus(
        texts,
        {
            "product": rng.choice(["desk", "lamp", "phone"], _N_TEXTS).tolist(),
            "month": rng.choice(MONTHS, _N_TEXTS).tolist(),
            "stars": rng.integers(1, 6, _N_TEXTS).tolist(),
        },
    )
    factors = make_factors(
        corpus,
        topic,
        [of[0] for of in TOPICS],
        properties=[of[2] for of in TOPICS],
        negative_poles={3: "Friendly support"},
        hierarchy=[Layer(("Logistics and money", "Product and people"), np.array([0, 1, 0, 1]))],
    )
    run = make_run(folder, corpus, factors)
    _save_head(run)
    run = Run.open(folder)
    states = [run.factors]
    for edit in (
        {"do": "rename", "factor": 0, "name": "Late parcels"},
        {"do": "hide", "factor": 1, "hidden": True},
        {"do": "rename", "factor": 2, "name": "Refunds"},
    ):
        entry = log.new_entry(states[-1], edit)
        states.append(apply(run.edit_context(), states[-1], entry.edit))
        log.append(folder, entry)
    log.append(folder, "undo")
    log.save(folder, states[-2], run.fit_digest, ("Not applied: one edit.",))


def _save_head(run: Run) -> None:
    """Give the run's links a text tower that reads all three blocks of features."""
    from dataclasses import replace

    from goalspace.links import heads

    corpus, proposals, links = run.corpus, run.proposals, run.links
    blocks = Blocks.fit(corpus.texts, links.text_vectors, seed=0)
    pairs = PairTable.build(proposals.text_index, proposals.property_index, len(corpus))
    counts = np.bincount(proposals.property_index, minlength=len(links.property_vectors))
    whitened = Space.whitened(links.property_vectors, counts)
    choice = heads.Choice(("sentence", "surface", "lexical"), 1.0, 0.3, whitened)
    head = heads.fit_head(blocks, choice, links.text_vectors, links.property_vectors, pairs, pairs.rows)
    tower = TextTower(blocks.only(choice.features), head)
    replace(links, tower=tower).save(run.path / "links")


def read_files(folder: Path) -> dict[str, bytes]:
    """Return the content of every file of a folder, by its path in the folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


# ---------------------------------------------------------------- what a case reads


def open_run(folder: Path) -> None:
    """Open everything that the reports and the explorer read of a run."""
    from goalspace.reports import page_columns, render_markdown, view
    from goalspace.reports.summary import summarise
    from goalspace.reports.why import why

    run = Run.open(folder)
    run.stale()
    _ = run.corpus.digest, run.proposals.n_texts_with(), run.links.scores(), run.factors.properties, run.edits
    summary = summarise(run)
    render_markdown(summary)
    json.dumps(summary, ensure_ascii=False, allow_nan=False).encode()
    columns = page_columns.read_columns(run.corpus.metadata)
    left_out = tuple(page_columns.left_out(run.corpus.metadata, columns))
    shown = view.View(run, summary, columns, np.arange(len(run.corpus)), left_out)
    able: Any = {"edit": True}
    json.dumps(view.summary(shown, capabilities=able), ensure_ascii=False, allow_nan=False).encode()
    view.map_bytes(shown)
    view.layer(shown)
    _ = shown.poles, shown.coordinates
    for k in range(run.factors.dim):
        view.score_bytes(shown, k)
    for position in range(len(columns)):
        view.column_bytes(shown, position)
    for row in (0, len(run.corpus) - 1):
        run.corpus.metadata_of(row)
        why(shown, row)
    if run.links.tower.head is not None:
        run.links.tower.project(["A new text."], FlatEncoder(len(run.links.tower.head.sentence_mean)))


def read_table(path: Path) -> None:
    """Read a table as a corpus, and as rows that are written back."""
    from goalspace.tables.formats import read_rows

    try:
        corpus = Corpus.read(path, text="text")
        for name in corpus.metadata:
            _ = corpus.metadata[name]
        corpus.save(path.with_name("corpus.parquet"))
        loaded = Corpus.load(path.with_name("corpus.parquet"))
        assert loaded.texts == corpus.texts
    finally:
        rows = read_rows(path)
        rows.write(range(len(rows.rows)), path.with_name(f"copy-{path.name}"), {})


def make_tables() -> dict[str, bytes]:
    """Return small files of every format of tables."""
    import pyarrow as pa
    from pyarrow import parquet

    rows = [
        {
            "id": f"t{i}",
            "text": f'The parcel "{i}" arrived late, wét and broken.',
            "stars": i % 5,
            "tags": ["a", "b"],
        }
        for i in range(12)
    ]
    header = "id,text,stars\n"
    quoted = "".join(
        f'{row["id"]},"{str(row["text"]).replace(chr(34), chr(34) * 2)}",{row["stars"]}\n' for row in rows
    )
    buffer = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(rows), buffer)
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
    table = (header + quoted).encode()
    return {
        "t.csv": table,
        "t.tsv": "".join(
            f"{row['id']}\t{row['text']}\t{row['stars']}\n"
            for row in [dict(zip(rows[0], rows[0], strict=True)), *rows]
        ).encode(),
        "t.jsonl": lines,
        "array.json": json.dumps(rows).encode(),
        "columns.json": json.dumps(columns).encode(),
        "t.parquet": buffer.getvalue(),
        "t.txt": "".join(f"{row['text']}\n" for row in rows).encode(),
        "t.csv.gz": gzip.compress(table, mtime=0),
        "t.jsonl.gz": gzip.compress(lines, mtime=0),
    }


# ---------------------------------------------------------------- cases


class Fuzzer:
    """Runs cases in a folder of its own, which it restores after each.

    Parameters
    ----------
    base
        The folder of the finished run (see `make_base`).
    work
        An empty folder.
    """

    def __init__(self, base: Path, work: Path) -> None:
        self.files: Files = read_files(base)
        self.folder = work / "run"
        self.tables = make_tables()
        self.table_folder = work / "tables"
        shutil.copytree(base, self.folder)
        self.table_folder.mkdir()
        run = Run.open(base)
        self.factors, self.context = run.fitted, run.edit_context(lambda: FlatEncoder(run.links.dim))

    def run(self, seed: int) -> str | None:
        """Run the case with this number; return None, or the kind of failure."""
        rng = np.random.default_rng(seed)
        kind = KINDS[rng.integers(len(KINDS))]
        case: Callable[[np.random.Generator], None] = getattr(self, f"_{kind}")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return outcome(kind, lambda: case(rng))

    def open_changed(self, changes: dict[str, bytes | None]) -> None:
        """Open the run folder with some files changed, and restore it."""
        try:
            for name, content in changes.items():
                if content is None:
                    (self.folder / name).unlink(missing_ok=True)
                else:
                    (self.folder / name).write_bytes(content)
            open_run(self.folder)
        finally:
            for name in changes:
                (self.folder / name).parent.mkdir(exist_ok=True)
                (self.folder / name).write_bytes(self.files[name])

    def _run(self, rng: np.random.Generator) -> None:
        self.open_changed(mutate(self.files, rng))

    def _table(self, rng: np.random.Generator) -> None:
        name = sorted(self.tables)[rng.integers(len(self.tables))]
        plain = self.tables[name]
        packed = name.endswith(".gz") and rng.integers(2)
        content = gzip.decompress(plain) if packed else plain
        content = (
            mutate_json(content, rng) if ".json" in name and rng.integers(2) else mutate_bytes(content, rng)
        )
        path = self.table_folder / name
        path.write_bytes(gzip.compress(content) if packed else content)
        read_table(path)

    def _edit(self, rng: np.random.Generator) -> None:
        factors: Factors = self.factors
        for _ in range(2):
            entry = log.new_entry(factors, _random_edit(factors, rng))
            factors = apply(self.context, factors, entry.edit)
        log.replay(self.context, self.factors, [entry])


def _random_edit(factors: Factors, rng: np.random.Generator) -> Any:
    """Return an edit, most often a valid one with one field changed."""
    k, to = (int(number) for number in rng.permutation(factors.dim)[:2])
    known = factors.vocabulary[rng.integers(len(factors.vocabulary))]
    edits: list[dict[str, Any]] = [
        {"do": "rename", "factor": k, "name": "New name", "description": "What it is."},
        {"do": "merge", "factors": [k, to], "name": "Both"},
        {"do": "split", "factor": k, "into": int(rng.integers(2, 4))},
        {"do": "hide", "factor": k, "hidden": bool(rng.integers(2))},
        {"do": "move", "property": known, "to": to},
        {"do": "add", "property": "parcel was wet", "to": k},
        {"do": "remove", "property": known},
    ]
    edit: Any = edits[rng.integers(len(edits))]
    if rng.integers(3):
        changed = mutate_json(json.dumps(edit).encode(), rng)
        try:
            edit = json.loads(changed)
        except (ValueError, RecursionError):
            edit = changed.decode(errors="replace")
    return edit


def outcome(kind: str, case: Callable[[], None]) -> str | None:
    """Run a case; return None if it succeeds or is refused with one line, otherwise where and how it failed."""
    try:
        case()
    except GoalspaceError as error:
        said = str(error)
        if "\n" in said.strip() or not said:
            return f"{kind}: a message of several lines, {type(error).__name__}: {said[:200]!r}"
        return None
    except BaseException as error:
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        ours = [step for step in traceback.extract_tb(error.__traceback__) if "goalspace" in step.filename]
        step = ours[-1] if ours else traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(step.filename).parent.name}/{Path(step.filename).name}:{step.lineno} in {step.name}"
        return f"{kind}: {type(error).__name__} at {where}"
    return None
