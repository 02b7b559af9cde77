"""Detection of the text column of a table and of candidates for the id column."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from goalspace.errors import InputError
from goalspace.tables.table import TEXTS, Table

# typical names of a column of texts, of a column about the text, and of a column of ids
_TEXT_NAME = re.compile(
    r"texts?|body|contents?|message|document|complaint|review|comments?|summary|abstract|description|narrative|"
    r"feedback|post|tweet|article|transcript|utterance|sentence|paragraph|passage|notes?|ticket|story|"
    r"dialog(ue)?|conversation|speech|verbatim"
)
_LESSER_NAME = re.compile(
    r"title|subject|headline|names?|author|url|link|address|location|path|file(name)?|tags|keywords"
)
_ID_NAME = re.compile(r"(.*_)?id|uuid|guid|key")
_SPACELESS = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")  # Thai to Han
_SAMPLE_VALUES, _SAMPLE_ROWS, _SAMPLE_CHARS = 300, 20_000, 1000


def text_column(table: Table, name: str | None) -> str:
    """Return the column `name` if it can hold texts, or guess the text column.

    Raises
    ------
    InputError
        If the column does not exist or holds something else, or if there is no single obvious choice.
    """
    return _guessed(table) if name is None else _checked(table, name)


def id_columns(table: Table, name: str | None, *, text: str) -> list[str]:
    """Return the column `name`, or the columns named like ids, best first.

    Raises
    ------
    InputError
        If the column does not exist.
    """
    if name is not None:
        _require(name, table, "--id")
        return [name]
    return named_like_ids(column for column in table.kinds if column != text)


def named_like_ids(names: Iterable[str]) -> list[str]:
    """Return the names that are typical of id columns, "id" first."""
    named = [name for name in names if _ID_NAME.fullmatch(snake(name))]
    return sorted(named, key=lambda name: snake(name) != "id")


def _checked(table: Table, name: str) -> str:
    _require(name, table, "--text")
    if table.kinds[name] != TEXTS:
        raise InputError(
            f"The column {name!r} of {table.name} holds {table.kinds[name]}, not texts; "
            "choose another with --text NAME."
        )
    return name


def _guessed(table: Table) -> str:
    """Return the only column, else the only one that is prose and named like texts, that is prose, or is named so."""
    if len(table.kinds) == 1:
        return _checked(table, next(iter(table.kinds)))
    samples = _sample(table)
    named = [name for name in samples if _TEXT_NAME.fullmatch(snake(name))]
    prose = [name for name in samples if _is_prose(samples[name])]
    about = [name for name in prose if _LESSER_NAME.fullmatch(snake(name))]
    both = [name for name in prose if name in named]
    choices = both or [name for name in prose if name not in about] or prose or named
    if len(choices) == 1:
        return choices[0]
    if choices:
        columns = _listed(choices)
        raise InputError(
            f"The columns {columns} of {table.name} may all hold the texts; choose one with --text NAME."
        )
    columns = _listed(list(table.kinds))
    raise InputError(f"No column of {table.name} looks like texts; choose one of {columns} with --text NAME.")


def _sample(table: Table) -> dict[str, list[str]]:
    """Return the first few values of every string column that is not named like an id."""
    strings = [name for name, kind in table.kinds.items() if kind == TEXTS]
    samples: dict[str, list[str]] = {name: [] for name in strings if not _ID_NAME.fullmatch(snake(name))}
    n_rows = 0
    for batch in table.batches():
        for name, values in samples.items():
            if len(values) < _SAMPLE_VALUES:
                some = batch.column(name).drop_null().slice(0, _SAMPLE_VALUES).to_pylist()
                values += [value.strip()[:_SAMPLE_CHARS] for value in some if value.strip()]
        n_rows += batch.num_rows
        if n_rows >= _SAMPLE_ROWS or all(len(values) >= _SAMPLE_VALUES for values in samples.values()):
            break
    return samples


def _is_prose(values: Sequence[str]) -> bool:
    """Return whether most values are distinct and several words long, unlike names, dates or categories."""
    return 2 * len(set(values)) >= len(values) > 0 and 2 * sum(map(_reads_as_prose, values)) >= len(values)


def _reads_as_prose(value: str) -> bool:
    long_enough = len(value.split()) >= 4 or len(_SPACELESS.findall(value)) >= 8
    letters = sum(map(str.isalpha, value))
    is_list = value.startswith(("['", '["', "[{", "{'", '{"'))
    return long_enough and 2 * letters >= len(value) and not is_list


def snake(name: str) -> str:
    """Convert a name to snake case, so that 'Complaint ID', 'complaint-id' and 'complaintId' are equal."""
    return re.sub(r"[\W_]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip())).lower()


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:20])
    return f"{shown} and {len(names) - 20} more" if len(names) > 20 else shown


def _require(name: str, table: Table, option: str) -> None:
    if name not in table.kinds:
        columns = _listed(list(table.kinds))
        raise InputError(f"{table.name} has no column {name!r}; choose one of {columns} with {option} NAME.")
