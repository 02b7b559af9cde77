"""The edits of a run: a log that only grows, and the factors that follow from it, kept beside the fitted ones."""

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
_ANCHORS = 12  # properties by which a factor is found again after a refit
_FIELDS = ("factor", "factors", "to")  # of an edit, those that are numbers of factors


@dataclass(frozen=True)
class Entry:
    """One edit as the log has it.

    Attributes
    ----------
    edit
        Its fields are those that `edits.checks` knows; factors are numbered as they were when it was made.
    sentence
        The edit as a sentence.
    anchors
        Number of a factor → its name and strongest properties then, by which it is found after a refit.
    when
        Time, ISO 8601.
    """

    edit: Mapping[str, Any]
    sentence: str
    anchors: Mapping[int, tuple[str, tuple[str, ...]]]
    when: str


@dataclass(frozen=True)
class Edits:
    """What the log says: the edits that hold, and those that were undone, the next to redo last.

    `lost` has a line for each edit that holds and could not be applied to the factors as they are now. `n_lines` counts
    the lines of the log, which only grows: it tells one state of the factors from another.
    """

    done: tuple[Entry, ...] = ()
    undone: tuple[Entry, ...] = ()
    lost: tuple[str, ...] = ()
    n_lines: int = 0

    def describe(self) -> EditHistory:
        """The edits as a report shows them."""
        return {
            "done": [cast(DoneEdit, {**entry.edit, "said": entry.sentence}) for entry in self.done],
            "undone": len(self.undone),
            "lost": list(self.lost),
            "lines": self.n_lines,
        }


def read_log(folder: Path) -> Edits:
    """Read the log of a run folder; there is none until the first edit.

    Raises
    ------
    InputError
        If a line of it is not one that goalspace wrote.
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
                f"{path}, line {number}: this is no edit. Take the line out, then run: goalspace factor {folder}"
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
    """Add an edit, "undo" or "redo" to the log; a kill leaves the old log or the new one."""
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
    if before and not before.endswith("\n"):  # an editor may have taken it away
        before += "\n"
    write_atomic(path, before + json.dumps(record, ensure_ascii=False) + "\n")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def new_entry(factors: Factors, edit: Any) -> Entry:
    """Check an edit that is to be made to these factors.

    Raises
    ------
    InputError
        If it is no edit, or names what is not there.
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
    """Make edits again, in order.

    Parameters
    ----------
    context
        The texts and the encoder.
    fitted
        The factors to begin with: those that the edits were made to, or refitted ones. A factor is found again by
        its number and name, by its name, or as the one with most of the properties that it had.
    entries
        The edits.

    Returns
    -------
    The factors, and a line for each edit that could not be made.
    """
    factors, lost = fitted, []
    for entry in entries:
        try:
            factors = apply(context, factors, check(factors, _found_again(factors, entry)))
        except InputError as error:
            lost.append(f"Not applied: {entry.sentence} {error}")
    return factors, tuple(lost)


def factor_successors(before: Factors, entry: Entry, after: Factors) -> list[list[int]]:
    """Which factors each of those before an edit of the log became; the same ones if it could not be made."""
    if before.dim == after.dim:
        return [[k] for k in range(before.dim)]
    return successors(_found_again(before, entry), before.dim, after.dim)


def reapply(folder: Path, context: EditContext, fitted: Factors, fit_digest: str) -> None:
    """Make the edits of a folder's log again, on factors that were found anew, and keep what follows.

    Parameters
    ----------
    folder
        The run folder.
    context
        The texts and the encoder.
    fitted
        The factors before any edit.
    fit_digest
        Digest of that fit.
    """
    factors, lost = replay(context, fitted, read_log(folder).done)
    save(folder, factors, fit_digest, lost)


def _found_again(factors: Factors, entry: Entry) -> dict[str, Any]:
    """The edit with factors numbered as they are now."""
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
    """Keep edited factors beside the fitted ones.

    Parameters
    ----------
    folder
        The run folder, whose log is already written.
    factors
        What follows from the log.
    fit_digest
        Digest of the fit that they follow from.
    lost
        What could not be applied.
    """
    from safetensors.numpy import save_file

    target = folder / FOLDER
    (target / "edited.json").unlink(missing_ok=True)  # what is half written does not count
    with atomic_path(target / "properties.safetensors") as path:
        save_file({"property_vectors": np.ascontiguousarray(factors.links.property_vectors)}, path)
    factors.save(target)
    write_json(
        target / "edited.json",
        {"log": _log_digest(folder), "fit": fit_digest, "lost": list(lost), "stats": dict(factors.stats)},
    )


def remove(folder: Path) -> None:
    """Take away edited factors, where no edit holds any more."""
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
        As they were fitted.
    fit_digest
        Digest of that fit.

    Raises
    ------
    InputError
        If the log was changed by other hands than goalspace's.
    """
    from safetensors.numpy import load_file

    if not read_log(folder).done:
        return fitted
    target = folder / FOLDER
    about = read_json(target / "edited.json") if (target / "edited.json").is_file() else {}
    if about.get("log") != _log_digest(folder) or about.get("fit") != fit_digest:
        raise InputError(
            f"{folder / LOG} was changed, and the factors do not follow it yet. Run: goalspace factor {folder}"
        )
    vectors = load_file(target / "properties.safetensors")["property_vectors"]
    return Factors.load(target, replace(links, property_vectors=vectors), about["stats"])


def _log_digest(folder: Path) -> str:
    return digest((folder / LOG).read_bytes())
