"""Recorded properties, read from JSON Lines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from goalspace.errors import InputError
from goalspace.proposals.answers import Answer
from goalspace.tables.plain import text_lines
from goalspace.tables.table import as_string, reading


def read_recorded(spec: str, ids: Sequence[str]) -> list[Answer | None]:
    """Read the properties of texts by id from a JSON Lines file; None for ids that are not in the file."""
    name, _, chosen = spec.partition("#")
    path = Path(name)
    if not path.is_file():
        raise InputError(f"There is no file {path} with recorded properties.")
    by_id: dict[str, Answer] = {}
    with reading(str(path)):
        lines = list(text_lines(path))
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            why = getattr(error, "msg", None) or str(error)
            raise InputError(f"{path}, line {number}: this is not JSON ({why}).") from None
        field_name = chosen or "properties"
        items = record.get(field_name) if isinstance(record, dict) else None
        if not isinstance(items, list) or "id" not in record:
            fields = ", ".join(record) if isinstance(record, dict) else type(record).__name__
            raise InputError(
                f"{path}, line {number}: expected an object with 'id' and a list '{field_name}', found: {fields}. "
                "To use another list, write recorded:FILE#FIELD."
            )
        pairs = [(item, "") if isinstance(item, str) else _fields(item, path, number) for item in items]
        analysis = record.get("analysis") or ""
        if not isinstance(analysis, str) or isinstance(record["id"], (list, dict)):
            raise InputError(
                f"{path}, line {number}: 'id' must be a text or a number, and 'analysis' a text. Correct the line."
            )
        by_id[_clean(str(record["id"]))] = Answer(
            _clean(analysis), tuple((_clean(name), _clean(quote)) for name, quote in pairs)
        )
    if not any(id in by_id for id in ids):
        raise InputError(
            f"No id in {path} matches an id of the texts (in the file: {next(iter(by_id), 'none')!r}; of the texts: {ids[0]!r}). "
            "Select the id column of the texts with --id."
        )
    return [by_id.get(id) for id in ids]


def _fields(item: object, path: Path, number: int) -> tuple[str, str]:
    """Return the property and the quote of an item, which is "" if there is none."""
    fields = item if isinstance(item, dict) else {}
    name, quote = fields.get("property"), fields.get("quote") or ""
    if not isinstance(name, str) or not isinstance(quote, str):
        raise InputError(
            f"{path}, line {number}: every property must be a text, or an object with the texts 'property' and 'quote'. "
            "Correct the line."
        )
    return name, quote


def _clean(text: str) -> str:
    """Return a text without lone surrogates, which JSON can express but UTF-8 cannot."""
    return as_string(text) or ""
