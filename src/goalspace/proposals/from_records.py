"""Recorded properties, read from JSON Lines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from goalspace.errors import InputError
from goalspace.proposals.from_llm import Answer
from goalspace.tables.plain import text_lines


def read_recorded(spec: str, ids: Sequence[str]) -> list[Answer | None]:
    """Read the properties of texts by id from a JSON Lines file; None for ids that are not in the file."""
    name, _, chosen = spec.partition("#")
    path = Path(name)
    if not path.is_file():
        raise InputError(f"There is no file {path} with recorded properties.")
    by_id: dict[str, Answer] = {}
    for number, line in enumerate(text_lines(path), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(f"{path}, line {number}: this is not JSON ({error.msg}).") from None
        field_name = chosen or "properties"
        items = record.get(field_name) if isinstance(record, dict) else None
        if not isinstance(items, list) or "id" not in record:
            fields = ", ".join(record) if isinstance(record, dict) else type(record).__name__
            raise InputError(
                f"{path}, line {number}: expected an object with 'id' and a list '{field_name}', found: {fields}. "
                "To use another list, write recorded:FILE#FIELD."
            )
        pairs = [
            (item, "") if isinstance(item, str) else (item.get("property", ""), item.get("quote") or "")
            for item in items
            if isinstance(item, (str, dict))
        ]
        by_id[str(record["id"])] = Answer(record.get("analysis") or "", tuple(pairs))
    if not any(id in by_id for id in ids):
        raise InputError(
            f"No id in {path} matches an id of the texts (in the file: {next(iter(by_id), 'none')!r}; of the texts: {ids[0]!r}). "
            "Select the id column of the texts with --id."
        )
    return [by_id.get(id) for id in ids]
