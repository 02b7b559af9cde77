"""The edits of a run: an append-only log, and the edited factors, stored beside the fitted ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np

from goalspace.checked import check as check_schema
from goalspace.checked import expect, read_arrays, readable
from goalspace.edits.apply import apply, successors
from goalspace.edits.checks import check
from goalspace.edits.contract import DoneEdit, EditHistory
from goalspace.edits.derive import EditContext
from goalspace.errors import InputError, UnnamedEndpoint
from goalspace.factors import Factors
from goalspace.files import as_json, atomic_path, decode_json, digest, read_json, write_atomic, write_json
from goalspace.links import Links
from goalspace.tables.plain import text_lines

LOG = "edits.jsonl"
FOLDER = "edited"
_ANCHORS = 12  # properties that identify a factor after a refit
_FIELDS = ("factor", "factors", "to")  # fields of an edit that hold factor numbers
_ENTRY = {
    "edit": {
        "do": str,
        "factor?": int,
        "factors?": [int],
        "to?": (int, None),
        "name?": (str, None),
        "description?": (str, None),
        "property?": str,
        "into?": int,
        "hidden?": bool,
    },
    "said": str,
    "of": {str: {"name": str, "properties": [str]}},
    "when": str,
}
_ABOUT = {"log": str, "fit": str, "lost": [str], "stats": {str: (None, bool, int, float, str)}}


@dataclass(frozen=True)
class Entry:
    """One edit in the log.

    Attributes
    ----------
    edit
        The validated edit (see `edits.checks`), with the factor numbers at the time it was made.
    sentence
        The edit as a sentence.
    anchors
        Factor number → the factor's name and strongest properties at that time, which identify it after a refit.
    when
        Time of the edit, ISO 8601.
    """

    edit: Mapping[str, Any]
    sentence: str
    anchors: Mapping[int, tuple[str, tuple[str, ...]]]
    when: str


@dataclass(frozen=True)
class Edits:
    """The state of the log: the edits in effect, and those undone, with the next one to redo last.

    `lost` has a line for each edit in effect that could not be applied to the current factors. `n_lines` counts the
    lines of the append-only log, so it identifies a state of the factors.
    """

    done: tuple[Entry, ...] = ()
    undone: tuple[Entry, ...] = ()
    lost: tuple[str, ...] = ()
    n_lines: int = 0

    def describe(self) -> EditHistory:
        """Describe the edits for reports and pages."""
        return {
            "done": [cast(DoneEdit, {**entry.edit, "said": entry.sentence}) for entry in self.done],
            "undone": len(self.undone),
            "lost": list(self.lost),
            "lines": self.n_lines,
        }


def read_bytes(folder: Path) -> bytes:
    """Return the log of a run folder as it is; nothing before the first edit."""
    path = folder / LOG
    return path.read_bytes() if path.is_file() else b""


def read_log(folder: Path) -> Edits:
    """Read the log of a run folder; it does not exist before the first edit.

    Raises
    ------
    InputError
        If a line is not a valid entry.
    """
    path = folder / LOG
    done: list[Entry] = []
    undone: list[Entry] = []
    n_lines = 0
    if not path.is_file():
        return Edits()
    for number, line in enumerate(text_lines(path), 1):
        if not line.strip():
            continue
        n_lines += 1
        try:
            record = decode_json(line)
            if record.get("undo"):
                undone.append(done.pop())
            elif record.get("redo"):
                done.append(undone.pop())
            else:
                done.append(_read_entry(record))
                undone.clear()
        except (ValueError, KeyError, TypeError, IndexError, AttributeError):
            raise InputError(
                f"{path}, line {number}: this is not an edit. Delete the line, then run: goalspace factor {folder}"
            ) from None
    return Edits(tuple(done), tuple(undone), _lost(folder), n_lines)


def _read_entry(record: Mapping[str, Any]) -> Entry:
    check_schema(record, _ENTRY)
    anchors = {int(k): (of["name"], tuple(of["properties"])) for k, of in record["of"].items()}
    expect(set(_numbers(record["edit"])) <= anchors.keys(), "a factor has no name")
    expect(min(anchors, default=0) >= 0, "the number of a factor is negative")
    return Entry(dict(record["edit"]), record["said"], anchors, record["when"])


def _lost(folder: Path) -> tuple[str, ...]:
    return tuple(_about(folder).get("lost", ()))


def _about(folder: Path) -> dict[str, Any]:
    """Return what edited.json says about the edited factors; empty if there are none."""
    path = folder / FOLDER / "edited.json"
    if not path.is_file():
        return {}
    with readable(path, again=_again(folder)):
        about: dict[str, Any] = read_json(path)
        check_schema(about, _ABOUT)
    return about


def _again(folder: Path) -> str:
    return f"run goalspace factor {folder} again"


def append(folder: Path, entry: Entry | str) -> None:
    """Append an edit, "undo" or "redo" to the log, atomically."""
    if isinstance(entry, str):
        record: dict[str, Any] = {entry: True, "when": _now()}
    else:
        of = {
            str(k): {"name": name, "properties": properties}
            for k, (name, properties) in entry.anchors.items()
        }
        record = {"edit": dict(entry.edit), "said": entry.sentence, "of": of, "when": entry.when}
    path = folder / LOG
    before = path.read_text(encoding="utf-8") if path.is_file() else ""
    if before and not before.endswith("\n"):  # a text editor may have stripped the last newline
        before += "\n"
    write_atomic(path, before + as_json(record) + "\n")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def new_entry(factors: Factors, edit: Any) -> Entry:
    """Validate an edit of these factors and build its log entry.

    Raises
    ------
    InputError
        If it is not an edit, or names something that does not exist.
    """
    checked = check(factors, edit)
    anchors = {
        k: (factors.names[k], tuple(member.name for member in factors.properties[k][:_ANCHORS]))
        for k in _numbers(checked)
    }
    return Entry(checked, _sentence(factors, checked), anchors, _now())


def _numbers(edit: Mapping[str, Any]) -> list[int]:
    """The factors that an edit names."""
    named = [edit[name] for name in _FIELDS if edit.get(name) is not None]
    return [k for item in named for k in (item if isinstance(item, list) else [item])]


def _sentence(factors: Factors, edit: Mapping[str, Any]) -> str:
    names = [f"“{factors.names[k]}”" for k in _numbers(edit)]
    quoted = {name: f"“{edit[name]}”" for name in ("name", "property") if name in edit}
    if edit["do"] == "rename":
        return f"{names[0]} renamed to {quoted['name']}."
    if edit["do"] == "merge":
        merged = f"{', '.join(names[:-1])} and {names[-1]} merged"
        return f"{merged} into {quoted['name']}." if "name" in quoted else f"{merged}."
    if edit["do"] == "split":
        return f"{names[0]} split into {edit['into']}."
    if edit["do"] == "hide":
        return f"{names[0]} {'hidden' if edit['hidden'] else 'shown again'}."
    if edit["do"] == "move":
        return (
            f"{quoted['property']} moved to {names[0]}."
            if names
            else f"{quoted['property']} taken out of its factor."
        )
    if edit["do"] == "add":
        return f"{quoted['property']} added to {names[0]}."
    return f"{quoted['property']} removed."


def replay(
    context: EditContext, fitted: Factors, entries: Sequence[Entry]
) -> tuple[Factors, tuple[str, ...]]:
    """Reapply edits in order.

    Parameters
    ----------
    context
        Texts, links and encoder.
    fitted
        The factors to start from: those the edits were made to, or refitted ones. A factor is identified by its number
        and name, by its name alone, or by holding most of the properties that it had.
    entries
        The edits.

    Returns
    -------
    The factors, and a line for each edit that could not be applied.

    Raises
    ------
    UnnamedEndpoint
        If an edit needs the encoder, and that is an endpoint which only the run names.
    """
    factors, lost = fitted, []
    for entry in entries:
        try:
            factors = apply(context, factors, check(factors, _found_again(factors, entry)))
        except UnnamedEndpoint:  # says nothing about the edit, which must not be lost
            raise
        except InputError as error:
            lost.append(f"Not applied: {entry.sentence} {error}")
    return factors, tuple(lost)


def factor_successors(before: Factors, entry: Entry, after: Factors) -> list[list[int]]:
    """Return the factors that each factor became through a logged edit; itself if the edit could not be applied."""
    if before.dim == after.dim:
        return [[k] for k in range(before.dim)]
    return successors(_found_again(before, entry), before.dim, after.dim)


def reapply(folder: Path, context: EditContext, fitted: Factors, fit_digest: str) -> None:
    """Reapply the edits of a folder's log to refitted factors, and save the result.

    Parameters
    ----------
    folder
        The run folder.
    context
        Texts, links and encoder.
    fitted
        The factors before any edit.
    fit_digest
        Digest of the fit.
    """
    factors, lost = replay(context, fitted, read_log(folder).done)
    save(folder, factors, fit_digest, lost)


def _found_again(factors: Factors, entry: Entry) -> dict[str, Any]:
    """The edit with the current factor numbers."""
    now = {k: _locate(factors, k, *anchor) for k, anchor in entry.anchors.items()}
    edit = dict(entry.edit)
    for name in _FIELDS:
        value = edit.get(name)
        if isinstance(value, list):
            edit[name] = list(dict.fromkeys(now[k] for k in value))
        elif value is not None:
            edit[name] = now[value]
    return edit


def _locate(factors: Factors, k: int, name: str, properties: Sequence[str]) -> int:
    if k < factors.dim and factors.names[k] == name:
        return k
    if name in factors.names:
        return factors.names.index(name)
    index_of = {vocable: i for i, vocable in enumerate(factors.vocabulary)}
    homes = factors.assignment[[index_of[item] for item in properties if item in index_of]]
    counts = np.bincount(homes[homes >= 0], minlength=factors.dim)
    best = int(counts.argmax())
    if 2 * counts[best] <= len(properties):
        raise InputError(f"No factor has most of the properties that “{name}” had.")
    return best


# ---------------------------------------------------------------- on disk


def save(folder: Path, factors: Factors, fit_digest: str, lost: Sequence[str]) -> None:
    """Save edited factors beside the fitted ones.

    Parameters
    ----------
    folder
        The run folder; its log must already be written.
    factors
        The factors after the edits of the log.
    fit_digest
        Digest of the fit they are based on.
    lost
        A line for each edit that could not be applied.
    """
    from safetensors.numpy import save_file

    target = folder / FOLDER
    (target / "edited.json").unlink(missing_ok=True)  # written last, so a partial save is never loaded
    with atomic_path(target / "properties.safetensors") as path:
        save_file({"property_vectors": np.ascontiguousarray(factors.links.property_vectors)}, path)
    factors.save(target)
    write_json(
        target / "edited.json",
        {"log": _log_digest(folder), "fit": fit_digest, "lost": list(lost), "stats": dict(factors.stats)},
    )


def remove(folder: Path) -> None:
    """Discard the edited factors once no edit is in effect."""
    (folder / FOLDER / "edited.json").unlink(missing_ok=True)


def load(folder: Path, fitted: Factors, links: Links, fit_digest: str) -> Factors:
    """Return the factors of a run, edits included; needs no encoder.

    Parameters
    ----------
    folder
        The run folder.
    fitted
        The factors as they were fitted.
    links
        The links as they were fitted.
    fit_digest
        Digest of the fit.

    Raises
    ------
    InputError
        If the log was changed outside goalspace.
    """
    if not read_log(folder).done:
        return fitted
    target, about = folder / FOLDER, _about(folder)
    if about.get("log") != _log_digest(folder) or about.get("fit") != fit_digest:
        raise InputError(
            f"{folder / LOG} was changed after the factors were last edited. Run: goalspace factor {folder}"
        )
    path = target / "properties.safetensors"
    with readable(path, again=_again(folder)):
        layout = {"property_vectors": ("float", "n_properties", "dim")}
        vectors = read_arrays(path, layout, {"dim": links.dim})["property_vectors"]
    edited = replace(links, property_vectors=vectors)
    return Factors.load(target, edited, about["stats"], again=_again(folder))


def _log_digest(folder: Path) -> str:
    return digest((folder / LOG).read_bytes())
