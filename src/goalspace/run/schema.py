"""What run.json may hold: the arguments of each stage, their results, and the names of earlier versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from goalspace.checked import PLAIN, Schema, check, expect
from goalspace.errors import InputError

_TEXT, _COUNT = (str, None), (int, None)
ARGUMENTS: Mapping[str, Mapping[str, Schema]] = {
    "propose": {
        "llm": _TEXT,
        "encoder": str,
        "passages": (str, int),
        "sample": (str, int, None),
        "min_new": int,
        "prompting": str,
        "texts_per_call": int,
        "text_tokens": int,
        "truncate_from": str,
        "merge": float,
        "max_unparsed": float,
        "redact": bool,
        "seed": int,
    },
    "link": {"encoder": str, "tune": str, "passages": (str, int), "seed": int},
    "factor": {"n_factors": _COUNT, "llm": _TEXT, "redact": bool, "seed": int},
}
# renamed arguments of `propose`: old name → new name, and old values → new values
_RENAMED: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "calls": ("prompting", {"one": "single", "two": "chained"}),
    "keep": ("truncate_from", {"start": "end", "end": "start"}),
    "max_unread": ("max_unparsed", {}),
}
_SHARES = {"factor": int, "n_before": int, "n_after": int}
UPDATE: Schema = {
    "digest": str,
    "source": str,
    "when": str,
    "n_known": int,
    "n_new": int,
    "n_repeated": int,
    "n_same": int,
    "n_unexplained": int,
    "n_unexplained_after": int,
    "kept": float,
    "shares": [_SHARES],
    "factors": [{"factor": int, "name": str, "n_texts": int}],
    "without_texts": [int],
    "properties": [str],
    "share_foreign": (float, None),
}
_RECORD: Schema = {
    "goalspace?": str,
    "goal": str,
    "created?": str,
    "redact?": bool,
    "versions?": {str: str},
    "update?": str,
    "updates?": [UPDATE],
    "stages": {
        str: {
            "arguments": {str: PLAIN},
            "digest": str,
            "after": _TEXT,
            "seconds?": (float, None),
            "result": {str: (*PLAIN, {str: int})},
        }
    },
}
# results that reports show as text; all others that are texts are shown as they are
_RESULTS = {
    **{"proposer?": str, "recipe?": str, "encoder?": str, "too_few?": str, "cap?": str},
    **{"properties_by_read?": {str: int}, "new_by_read?": {str: int}},
}
_COUNTS = (
    "problems",
    "unread",
    "properties_by_read",
    "new_by_read",
)  # results with a number for each reason, or round
_MEASURES = ("coverage", "agreement", "auc", "recall", "share", "tc")


def current_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Translate arguments recorded, or options given, under the names of an earlier version."""
    translated = {}
    for name, value in arguments.items():
        new, values = _RENAMED.get(name, (name, {}))
        translated[new] = values.get(value, value) if isinstance(value, str) else value
    return translated


def check_record(record: Any) -> None:
    """Raise a ValueError that says where run.json is not the record of a run."""
    check(record, _RECORD, "it")
    expect(bool(record["goal"].strip()), "the goal is empty")
    for stage, entry in record["stages"].items():
        at = f"'{stage[:40]}' of 'stages'"
        arguments = current_arguments(entry["arguments"])
        known = {f"{name}?": schema for name, schema in ARGUMENTS.get(stage, {}).items()}
        check(arguments, known, f"'arguments' of {at}")
        expect(0 <= arguments.get("seed", 0) < 2**32, f"'seed' of {at} is not from 0 to 2³² - 1")
        check(entry["result"], _RESULTS, f"'result' of {at}")
        for name, value in entry["result"].items():
            expect(
                name in _COUNTS or not isinstance(value, dict),
                f"'{name[:40]}' of 'result' of {at} is an object",
            )
            if name.startswith("n_"):
                expect(type(value) is int and value >= 0, f"'{name[:40]}' of {at} is not a count")
            elif any(measure in name for measure in _MEASURES):
                check(value, (float, None), f"'{name[:40]}' of {at}")


def check_arguments(arguments: Mapping[str, Any], stage: str) -> None:
    """Raise an `InputError` if a stage has no such argument: a damaged record, or one of a newer version."""
    unknown = [name for name in arguments if name not in ARGUMENTS[stage]]
    if unknown:
        raise InputError(
            f"The stage '{stage}' has no argument {unknown[0][:40]!r}. Remove it from run.json, or upgrade goalspace."
        )
