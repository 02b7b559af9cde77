"""The files of factors: factors.safetensors and factors.json, written and read with checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from goalspace.checked import Layout, check, expect, expect_distinct, expect_range, read_arrays, readable
from goalspace.factors.evidence import Evidence
from goalspace.factors.hierarchy import Layer
from goalspace.factors.typicality import of_own_factor
from goalspace.files import atomic_path, read_json, write_json

_ARRAYS: Layout = {
    "scores": ("float", "n_texts", "n_factors"),
    "dominant": ("int", "n_texts"),
    "loadings": ("float", "n_factors", "n_properties"),
    "assignment": ("int", "n_properties"),
    "tc": ("float", "n_factors"),
    "map": ("float", "n_texts", 2),
    "factor_map": ("float", "n_factors", 2),
    "property_counts": ("int", "n_properties"),
    "typicality?": ("float", "n_properties"),
    "directions": ("float", "n_factors", "dim"),
    "offset": ("float", "n_factors"),
    "prototypes": ("float", "n_prototypes", "dim"),
    "owners?": ("int", "n_prototypes"),
    "centre": ("float", "dim"),
}
_FIELDS = {"tc": "strength"}  # arrays stored under another name than that of their field
_ABOUT = {
    "names": [str],
    "descriptions": [str],
    "poles": [[(str, None)]],
    "vocabulary": [str],
    "tc_curve": [[float]],
    "hierarchy": [{"names": [str], "assignment": [int]}],
    "evidence": [[{"text_id": str, "score": float, "start": int, "end": int, "pole": int}]],
    "hidden?": [int],
    "not_relevant?": [int],
}


def write(folder: Path, fields: Mapping[str, Any]) -> None:
    """Write the fields of factors."""
    from safetensors.numpy import save_file

    with atomic_path(folder / "factors.safetensors") as path:
        arrays = {key: fields[_FIELDS.get(key, key)] for key in map(_without_mark, _ARRAYS)}
        # safetensors writes the memory as it lies: a transposed array would come back scrambled
        save_file({key: np.ascontiguousarray(array) for key, array in arrays.items()}, path)
    layers: Sequence[Layer] = fields["hierarchy"]
    write_json(
        folder / "factors.json",
        {
            "names": fields["names"],
            "descriptions": fields["descriptions"],
            "poles": fields["poles"],
            "vocabulary": fields["vocabulary"],
            "tc_curve": fields["tc_curve"],
            "hierarchy": [
                {"names": layer.names, "assignment": layer.assignment.tolist()} for layer in layers
            ],
            "evidence": [[vars(item) for item in items] for items in fields["evidence"]],
            "hidden": fields["hidden"],
            "not_relevant": fields["not_relevant"],
        },
    )


def _without_mark(key: str) -> str:
    return key.removesuffix("?")


def read(
    folder: Path, text_vectors: np.ndarray, property_vectors: np.ndarray, *, again: str
) -> dict[str, Any]:
    """Read the fields of factors that `write` wrote.

    Parameters
    ----------
    folder
        The folder.
    text_vectors, property_vectors
        Those of the links, with which the factors must agree.
    again
        What makes the files again, for messages.

    Raises
    ------
    InputError
        If a file is missing or damaged, or does not go with the links.
    """
    path = folder / "factors.json"
    with readable(path, again=again):
        about = read_json(path)
        check(about, _ABOUT)
        fields = _read_about(about, len(text_vectors))
    sizes = {"n_texts": len(text_vectors), "n_factors": len(fields["names"])}
    sizes |= {"n_properties": len(property_vectors), "dim": property_vectors.shape[1]}
    with readable(path, again=again):
        expect(
            len(fields["vocabulary"]) == len(property_vectors), "its properties are not those of the links"
        )
    path = folder / "factors.safetensors"
    with readable(path, again=again):
        arrays = read_arrays(path, _ARRAYS, sizes)
        # folders of earlier versions have one prototype per factor, and order properties by their loadings
        arrays.setdefault("owners", np.arange(len(arrays["prototypes"]), dtype=np.int32))
        arrays.setdefault("typicality", of_own_factor(np.abs(arrays["loadings"]), arrays["assignment"]))
        n_factors = sizes["n_factors"]
        expect_range(arrays["dominant"], -1, n_factors, "a dominant factor")
        expect_range(arrays["assignment"], -1, n_factors, "the factor of a property")
        expect_range(arrays["owners"], 0, n_factors, "the factor of a prototype")
        expect_range(
            arrays["property_counts"], 0, len(text_vectors) + 1, "the number of texts with a property"
        )
        expect(len(np.unique(arrays["owners"])) == n_factors, "a factor has no prototype")
    return fields | {_FIELDS.get(key, key): array for key, array in arrays.items()}


def _read_about(about: Mapping[str, Any], n_texts: int) -> dict[str, Any]:
    """Return the fields in factors.json; ValueError if they do not agree."""
    names, hidden, not_relevant = about["names"], about.get("hidden", ()), about.get("not_relevant", ())
    expect(len(names) > 0, "it has no factors")
    for field in ("descriptions", "poles", "evidence"):
        expect(len(about[field]) == len(names), f"'{field}' has not one item per factor")
    expect(all(len(pair) == 2 and pair[0] is not None for pair in about["poles"]), "'poles' are no pairs")
    expect(all(len(pair) == 2 for pair in about["tc_curve"]), "'tc_curve' has no pairs")
    expect_distinct(about["names"], "names of factors")
    expect_range(hidden, 0, len(names), "a hidden factor")
    expect(len(set(hidden)) < len(names), "all factors are hidden")
    expect_range(not_relevant, 0, n_texts, "the number of a text")
    expect(len(set(not_relevant)) == len(not_relevant), "a text is not relevant twice")
    evidence = tuple(tuple(Evidence(**item) for item in items) for items in about["evidence"])
    for item in (item for items in evidence for item in items):
        expect(0 <= item.start <= item.end, "a sentence of the evidence has no length")
    return {
        "names": tuple(names),
        "descriptions": tuple(about["descriptions"]),
        "poles": tuple((positive, negative) for positive, negative in about["poles"]),
        "vocabulary": tuple(about["vocabulary"]),
        "tc_curve": tuple((int(number), float(tc)) for number, tc in about["tc_curve"]),
        "hierarchy": _read_layers(about["hierarchy"], len(names)),
        "evidence": evidence,
        "hidden": tuple(hidden),
        "not_relevant": tuple(not_relevant),
    }


def _read_layers(stored: Sequence[Mapping[str, Any]], n_below: int) -> tuple[Layer, ...]:
    """Return the layers of groups, each of which groups the groups below it, and perhaps what is in none of them."""
    layers, n_alone = [], 0
    for layer in stored:
        groups = np.array(layer["assignment"], dtype=np.int32)
        expect(len(groups) in (n_below, n_below + n_alone), "a layer of groups does not match the one below")
        expect_range(groups, -1, len(layer["names"]), "a group")
        layers.append(Layer(tuple(layer["names"]), groups))
        n_alone = n_below + n_alone - int((groups >= 0).sum())
        n_below = len(layer["names"])
    return tuple(layers)
