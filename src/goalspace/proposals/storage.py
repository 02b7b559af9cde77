"""Reading of proposals.jsonl, with checks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from goalspace.checked import check, expect, expect_distinct, readable
from goalspace.files import decode_json

_TEXT = {"id": str, "analysis?": str, "properties": [{"property": str, "quote?": (str, None)}]}
_LAST = {"properties": [str], "surface_forms": {str: [str]}}


def read(path: Path, ids: Sequence[str]) -> dict[str, Any]:
    """Read the fields of proposals: a JSON line per text that was read, and one with the surface forms.

    Parameters
    ----------
    path
        The file.
    ids
        The ids of the texts.

    Raises
    ------
    InputError
        If the file is missing or damaged, or does not go with the texts.
    """
    with readable(path, again=f"run goalspace propose {path.parent} again"):
        *lines, last = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
        about = decode_json(last)
        check(about, _LAST, "the last line")
        names, forms = about["properties"], about["surface_forms"]
        expect(len(names) > 0, "it has no properties")
        expect_distinct(names, "properties")
        index = {name: i for i, name in enumerate(names)}
        row_of = {id_: row for row, id_ in enumerate(ids)}
        pairs: dict[tuple[int, int], str | None] = {}
        analyses: dict[int, str] = {}
        read: dict[int, bool] = {}  # text → whether it has properties
        for number, line in enumerate(lines, 1):
            record = decode_json(line)
            check(record, _TEXT, f"line {number}")
            expect(record["id"] in row_of, f"line {number} is about a text that is not in the corpus")
            row = row_of[record["id"]]
            expect(row not in read, f"line {number} is about the text of an earlier line")
            read[row] = bool(record["properties"])
            if "analysis" in record:
                analyses[row] = record["analysis"]
            for item in record["properties"]:
                expect(
                    item["property"] in index,
                    f"line {number} has a property that the last line does not have",
                )
                pair = row, index[item["property"]]
                expect(pair not in pairs, f"line {number} has a property twice")
                pairs[pair] = item.get("quote")
    return {
        "properties": tuple(names),
        "text_index": np.array([row for row, _ in pairs], dtype=np.int32),
        "property_index": np.array([prop for _, prop in pairs], dtype=np.int32),
        "quotes": tuple(pairs.values()),
        "surface_forms": tuple(tuple(forms.get(name, (name,))) for name in names),
        "not_relevant": tuple(row for row, has_some in read.items() if not has_some),
        "analyses": analyses,
    }
