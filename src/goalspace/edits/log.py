"""The edits of a run: an append-only log, and the edited factors, stored beside the fitted ones."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np

from goalspace.edits.apply import apply, successors
from goalspace.edits.checks import check
from goalspace.edits.contract import DoneEdit, EditHistory
from goalspace.edits.derive import EditContext
from goalspace.errors import InputError
from goalspace.factors import Factors
from goalspace.files import atomic_path, digest, read_json, write_atomic, write_json
from goalspace.links import Links
from goalspace.tables.plain import text_lines

LOG = "edits.jsonl"
FOLDER = "edited"
_ANCHORS = 12  # properties that identify a factor after a refit
_FIELDS = ("factor", "factors", "to")  # fields of an edit that hold factor numbers


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
            record = json.loads(line)
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
    anchors = {int(k): (str(of["name"]), tuple(of["properties"])) for k, of in record["of"].items()}
    if not isinstance(record["edit"]["do"], str) or not set(_numbers(record["edit"])) <= anchors.keys():
        raise ValueError
    return Entry(dict(record["edit"]), str(record["said"]), anchors, str(record["when"]))


def _lost(folder: Path) -> tuple[str, ...]:
    mark = folder / FOLDER / "edited.json"
    return tuple(read_json(mark)["lost"]) if mark.is_file() else ()


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
    write_atomic(path, before + json.dumps(record, ensure_ascii=False) + "\n")


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
    """
    factors, lost = fitted, []
    for entry in entries:
        try:
            factors = apply(context, factors, check(factors, _found_again(factors, entry)))
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
    from safetensors.numpy import load_file

    if not read_log(folder).done:
        return fitted
    target = folder / FOLDER
    about = read_json(target / "edited.json") if (target / "edited.json").is_file() else {}
    if about.get("log") != _log_digest(folder) or about.get("fit") != fit_digest:
        raise InputError(
            f"{folder / LOG} was changed after the factors were last edited. Run: goalspace factor {folder}"
        )
    vectors = load_file(target / "properties.safetensors")["property_vectors"]
    return Factors.load(target, replace(links, property_vectors=vectors), about["stats"])


def _log_digest(folder: Path) -> str:
    return digest((folder / LOG).read_bytes())
