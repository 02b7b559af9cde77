"""Instructions: the instruction texts of a file of instruction data, and its rows."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from goalspace.errors import InputError
from goalspace.tables.columns import named_like_ids
from goalspace.tables.formats import read_rows
from goalspace.tables.rows import Row, RowFile, fields, find_field
from goalspace.tables.table import as_string

# names of the instruction field; a later group is tried if no field has a name of the earlier ones
_FIELDS = (
    ("instruction", "instructions", "conversations", "conversation", "messages", "turns"),
    ("prompt", "question", "query", "text"),
    ("problem", "inputs", "input"),
)
_INPUT = ("input",)
_SPEAKER, _CONTENT = ("from", "role"), ("value", "content", "text")
_USER = ("human", "user", "prompter")


@dataclass(frozen=True, eq=False, repr=False)
class Instructions:
    """The instructions of a file: one text per non-empty row, in file order, duplicates included.

    Attributes
    ----------
    texts
        The instructions, stripped of outer whitespace and NUL characters, otherwise unchanged; never empty.
    ids
        The values of a field `id`, `*_id`, `uuid` or the like if they are unique and complete, otherwise the row
        numbers in the file, from "0".
    rows
        The row of every text, as in the file.
    source
        The file.
    field
        The field that carries the instruction.
    n_empty
        The number of rows without an instruction, which are left out.
    """

    texts: tuple[str, ...]
    ids: tuple[str, ...]
    rows: tuple[Row, ...]
    source: Path
    field: str
    n_empty: int
    _file: RowFile
    _positions: tuple[int, ...]  # row number in the file of every text

    def __len__(self) -> int:
        return len(self.texts)

    def __repr__(self) -> str:
        return (
            f"Instructions({len(self)} from field {self.field!r} of {self.source.name}, {self.n_empty} empty)"
        )

    @classmethod
    def read(cls, path: str | os.PathLike[str], *, field: str | None = None, input: bool = False) -> Self:
        """Read instruction data.

        Parameters
        ----------
        path
            A JSON (array of objects or strings, or object of columns), JSON Lines, Parquet, CSV or TSV file in the
            form of Alpaca (`instruction`), ShareGPT (`conversations`: the first human turn), OpenAI chat
            (`messages`: the first user message, its text parts), mt_bench (`turns`: the first) or plain prompts
            (`prompt`, `question`, `query`, `text`); or a text file, one prompt per line. All but Parquet also as .gz.
        field
            The field that carries the instruction; by default it is detected.
        input
            Whether to append the `input` field after an empty line.

        Raises
        ------
        InputError
            If the file cannot be read, no field or several fields look like the instruction, a value is neither a
            text nor a list of turns, rows have different fields, or no row has an instruction.
        """
        file = read_rows(path)
        if not file.rows:
            raise InputError(f"{file.path.name} has no rows.")
        chosen = _check_field(file, field) if field is not None else _detect_field(file)
        appended = _input_field(file, chosen) if input else None
        texts = []
        for index in range(len(file.rows)):
            text = _text(file, index, chosen)
            if text and appended is not None:
                text = f"{text}\n\n{_text(file, index, appended)}".rstrip()
            texts.append(text)
        positions = [index for index, text in enumerate(texts) if text]
        if field is None:
            _check_same_fields(file, chosen, texts)
        if not positions:
            raise InputError(f"Every {chosen!r} of {file.path.name} is empty (rows read: {len(texts)}).")
        rows = tuple(file.rows[index] for index in positions)
        return cls(
            texts=tuple(texts[index] for index in positions),
            ids=_ids(rows, chosen) or tuple(map(str, positions)),
            rows=rows,
            source=file.path,
            field=chosen,
            n_empty=len(texts) - len(positions),
            _file=file,
            _positions=tuple(positions),
        )

    def column(self, name: str) -> list[Any] | None:
        """Return the values of another field, aligned with `texts`, None if a row lacks it; None if all rows lack it."""
        if not any(name in row for row in self.rows):
            return None
        return [row.get(name) for row in self.rows]

    @property
    def can_add(self) -> bool:
        """Whether fields can be added to the rows; not in text files."""
        return self._file.has_fields

    def free_field(self, name: str) -> str:
        """Return the name with as many underscores appended as it takes to be unused."""
        taken = set(fields(self._file.rows))
        while name in taken:
            name += "_"
        return name

    def write(
        self,
        rows: Sequence[int],
        path: str | os.PathLike[str],
        *,
        added: Mapping[str, Sequence[Any]] | None = None,
    ) -> None:
        """Write rows in the input's own format with all their fields, atomically.

        Parameters
        ----------
        rows
            Indices into `rows`, in the order in which they are written.
        path
            The file to write; compressed if its name ends in .gz.
        added
            Name → one value per written row, for fields to add or replace.

        Raises
        ------
        InputError
            If an index is out of range, or the input is a text file and fields are to be added.
        """
        added = added or {}
        if any(not 0 <= row < len(self) for row in rows):
            raise InputError(f"The 'rows' parameter of write must hold numbers from 0 to {len(self) - 1}.")
        if any(len(values) != len(rows) for values in added.values()):
            raise InputError(
                "The 'added' parameter of write must have one value for every row that is written."
            )
        if added and not self.can_add:
            raise InputError(f"{self.source.name} has lines, not fields, so none can be added.")
        self._file.write([self._positions[row] for row in rows], Path(path), added)


# ---------------------------------------------------------------- which field


def _check_field(file: RowFile, name: str) -> str:
    known = fields(file.rows)
    if name not in known:
        raise InputError(
            f"{file.path.name} has no field {name!r}; choose one of {_listed(known)} with --field NAME."
        )
    return name


def _detect_field(file: RowFile) -> str:
    for names in _FIELDS:
        candidates = [name for name in find_field(file.rows, names) if _can_be_read(file, name)]
        if len(candidates) > 1:
            raise InputError(
                f"The fields {_listed(candidates)} of {file.path.name} may all be the instruction; "
                "choose one with --field NAME."
            )
        if candidates:
            return candidates[0]
    known = fields(file.rows)
    if len(known) == 1:
        return known[0]
    raise InputError(
        f"No field of {file.path.name} looks like the instruction; choose one of {_listed(known)} with --field NAME."
    )


def _can_be_read(file: RowFile, name: str) -> bool:
    """Whether the first value of a field is a text or a list of turns; numeric fields are not candidates."""
    first = next((row[name] for row in file.rows if row.get(name) is not None), None)
    return isinstance(first, (str, list))


def _input_field(file: RowFile, chosen: str) -> str:
    candidates = [name for name in find_field(file.rows, _INPUT) if name != chosen]
    if not candidates:
        raise InputError(f"{file.path.name} has no field 'input' beside {chosen!r}; leave out --input.")
    return candidates[0]


def _check_same_fields(file: RowFile, chosen: str, texts: Sequence[str]) -> None:
    """Raise an error if a row has its instruction in another field."""
    others = {name for names in _FIELDS[:2] for name in find_field(file.rows, names)} - {chosen}
    for index, (row, text) in enumerate(zip(file.rows, texts, strict=True)):
        there = [name for name in row if name in others and row[name]]
        if not text and chosen not in row and there:
            raise InputError(
                f"The rows of {file.path.name} differ: {file.where(index)} has no {chosen!r} but {there[0]!r}; "
                f"use one format, or keep only the rows with {chosen!r} by --field {chosen}."
            )


def _ids(rows: Sequence[Row], chosen: str) -> tuple[str, ...]:
    """Return the values of the first field named like an id that is unique and complete; () if there is none."""
    for name in named_like_ids(str(name) for name in fields(rows) if name != chosen):
        values = [row.get(name) for row in rows]
        ids = tuple(str(value).strip() for value in values if isinstance(value, (str, int)))
        if len(set(ids)) == len(rows) and all(ids):
            return ids
    return ()


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:20])
    return f"{shown} and {len(names) - 20} more" if len(names) > 20 else shown


# ---------------------------------------------------------------- one value → text


def _text(file: RowFile, index: int, name: str) -> str:
    value = file.rows[index].get(name)
    content = _first_turn(value)
    if content is None:
        raise InputError(
            f"{file.where(index).capitalize()} of {file.path.name} has {_kind(value)} as {name!r}; "
            "it must be a text or a list of turns."
        )
    return (as_string(content) or "").replace("\0", "").strip()


def _first_turn(value: Any) -> str | None:
    """Return the text or the first user turn, "" if there is none; None if the value has another type."""
    if value is None or value != value:
        return ""
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        return None
    if all(isinstance(turn, str) for turn in value):
        return value[0] if value else ""
    if not all(isinstance(turn, dict) for turn in value):
        return None
    return next(_user_turns(value), "")


def _user_turns(turns: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for turn in turns:
        speaker = next((turn[name] for name in _SPEAKER if turn.get(name)), "")
        if str(speaker).lower() in _USER:
            content = next((turn[name] for name in _CONTENT if turn.get(name)), "")
            parts = content if isinstance(content, list) else [content]
            texts = [part.get("text") if isinstance(part, dict) else part for part in parts]
            text = "\n".join(text for text in texts if isinstance(text, str))
            if text.strip():
                yield text


def _kind(value: Any) -> str:
    kinds = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        dict: "an object",
        list: "a mixed list",
    }
    return kinds.get(type(value), f"a value of type {type(value).__name__}")
