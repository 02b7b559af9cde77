"""The record of a run in sentences: what each stage did, how good the links are, and the settings."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from goalspace.language.detection import MANY_FOREIGN, languages_of
from goalspace.text import count_reasons, format_percent, join_clauses, plural, to_line

_TITLES = {
    "corpus": "Texts",
    "propose": "Properties",
    "link": "Links",
    "factor": "Factors",
    "label": "Labels",
    "arrange": "Map",
}
_RECIPES = {
    "untrained": "the {encoder} encoder, unchanged",
    "full": "the {encoder} encoder, fine-tuned",
}
# feature blocks of a text tower (see links.heads)
_FEATURES = {
    "sentence": "the {encoder} encoder's vectors",
    "surface": "surface features (length, punctuation, capitals)",
    "lexical": "character n-grams",
}
# suffixes of a recipe's name (see links.heads)
_REMARKS = {
    "whitened properties": "with whitened properties",
    "beside the encoder": "combined with the unchanged encoder",
}
_TOO_FEW = "There were too few texts to hold some out, so the links were not evaluated."
_OWN_CHOICE = "The encoder that links texts and properties also chose the properties, so the links cannot be evaluated with them."
_SECRET = re.compile(r"(^|_)(api_?key|key|token|secret|password|authorization)$", re.IGNORECASE)
_LOCAL_PATH = re.compile(r"(\w{2,}:)?((?:/(?!/)|~|[A-Za-z]:[\\/]).*)", re.DOTALL)
_USERINFO = re.compile(r"(?<=://)[^/@\s]+@")


def stages(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return one entry per finished stage: "stage", "title", "line" (what it did), "seconds"."""
    describe = {
        "corpus": _corpus,
        "propose": _propose,
        "link": _link,
        "factor": _factor,
        "label": _label,
        "arrange": _arrange,
    }
    return [
        {
            "stage": name,
            "title": _TITLES.get(name, name),
            "line": to_line(describe[name](stage.get("result") or {})) if name in describe else "",
            "seconds": _finite(stage.get("seconds")),
        }
        for name, stage in record.get("stages", {}).items()
    ]


def _corpus(result: Mapping[str, Any]) -> str:
    duplicates, empty = result.get("n_duplicates", 0), result.get("n_empty", 0)
    added = result.get("n_added", 0)
    return join_clauses(
        [
            f"{plural(result.get('n_read', 0), 'row')} read, "
            f"{plural(result.get('n_texts', 0), 'different text')}",
            f"{plural(duplicates, 'exact duplicate')} folded" if duplicates else "no exact duplicates",
            f"{plural(empty, 'empty row')} left out" if empty else "",
            f"{plural(added, 'text')} added by the last update" if added else "",
        ]
    )


def _propose(result: Mapping[str, Any]) -> str:
    coverage = _finite(result.get("coverage"))
    quotes, dropped = result.get("n_quotes") or 0, result.get("n_quotes_dropped") or 0
    unparsed, cut = result.get("n_unparsed", 0), result.get("n_cut", 0)
    return join_clauses(
        [
            f"proposer {result.get('proposer', 'unknown')}",
            _describe_reading(result),
            f"{plural(result.get('n_properties', 0), 'property', 'properties')}, "
            f"proposed {plural(result.get('n_pairs', 0), 'time')}",
            f"{format_percent(coverage)} of the texts have at least one" if coverage is not None else "",
            f"{plural(quotes or 0, 'quote')} kept, {dropped:,} dropped because the text does not contain them"
            if quotes or dropped
            else "",
            f"{plural(cut, 'long text')} cut" if cut else "",
            describe_passages(result),
            f"{plural(unparsed, 'reply', 'replies')} could not be read{_reasons(result)}" if unparsed else "",
        ]
    )


def _describe_reading(result: Mapping[str, Any]) -> str:
    """Return how many texts were read of a sample, and what the last of them brought."""
    steps = _steps(result)
    if not steps:
        return ""
    n_before = steps[-2][0] if len(steps) > 1 else 0
    n_read, _, n_new = steps[-1]
    return (
        f"{n_read:,} of {plural(result.get('n_texts', n_read), 'text')} read, of which the last {n_read - n_before:,} brought "
        f"{plural(n_new, 'new property', 'new properties')}"
    )


def reading(record: Mapping[str, Any]) -> list[list[int]]:
    """Return texts read, properties found until then, and new ones, after every 100 texts of a sample; else nothing."""
    return _steps(record.get("stages", {}).get("propose", {}).get("result") or {})


def _steps(result: Mapping[str, Any]) -> list[list[int]]:
    found, new = result.get("properties_by_read", {}), result.get("new_by_read", {})
    return sorted([int(n), found[n], new[n]] for n in found if n in new and n.isdecimal() and len(n) < 10)


def _reasons(result: Mapping[str, Any]) -> str:
    unread = result.get("unread")
    return f" ({to_line(count_reasons(unread), 200)})" if isinstance(unread, dict) and unread else ""


def _link(result: Mapping[str, Any]) -> str:
    agreement, untrained = _finite(result.get("agreement")), _finite(result.get("untrained_agreement"))
    return join_clauses(
        [
            _recipe(str(result.get("recipe", ""))).format(encoder=_encoder(result)),
            "held-out texts are alike where their properties are: correlation {:.2f}{}".format(
                agreement, f" (untrained {untrained:.2f})" if untrained is not None else ""
            )
            if agreement is not None
            else "",
            describe_passages(result),
            _foreign(result),
        ]
    )


def describe_passages(result: Mapping[str, Any]) -> str:
    """Return how texts that are longer than the window of the encoder were read."""
    n_long, n_passages, skipped = (result.get(name, 0) for name in ("n_long", "n_passages", "n_skipped"))
    if not n_long:
        return ""
    if not n_passages:
        return f"of {plural(n_long, 'long text')}, only the beginning was read (--passages off)"
    read = f"{plural(n_long, 'long text')} read in {plural(n_passages, 'passage')}"
    return read + (f", {skipped:,} others left out (--passages N)" if skipped else "")


def _encoder(result: Mapping[str, Any]) -> str:
    """Return the name of the encoder, without the goal, which the report shows anyway."""
    name = str(result.get("encoder", "sentence"))
    return name.partition("@")[0] if name.startswith(("goal@", "multilingual@")) else name


def _foreign(result: Mapping[str, Any]) -> str:
    """Return a warning if many texts are in languages that the encoder does not know."""
    share, languages = _finite(result.get("share_foreign")), languages_of(_encoder(result))
    if share is None or share < MANY_FOREIGN or not languages:
        return ""
    known = " or ".join(", ".join(languages).rsplit(", ", 1))
    return (
        f"{format_percent(share)} of the texts do not look {known}, all that the encoder {_encoder(result)} knows: choose "
        "another with --encoder"
    )


def _recipe(recipe: str) -> str:
    """Describe how the text vectors were made."""
    if recipe in _RECIPES:
        return _RECIPES[recipe]
    features, *remarks = recipe.split(", ")
    inputs = " and ".join(_FEATURES.get(name, name) for name in features.split("+"))
    return ", ".join([f"a head trained on {inputs}", *(_REMARKS.get(remark, remark) for remark in remarks)])


def _factor(result: Mapping[str, Any]) -> str:
    tc, unassigned = _finite(result.get("tc")), result.get("n_unassigned", 0)
    layers = result.get("n_layers", 0)
    return join_clauses(
        [
            plural(result.get("n_factors", 0), "factor"),
            f"total correlation {tc:.1f} nats" if tc is not None else "",
            f"{plural(unassigned, 'property', 'properties')} without a factor" if unassigned else "",
            f"{plural(layers, 'layer')} of groups above them" if layers else "",
        ]
    )


def _label(result: Mapping[str, Any]) -> str:
    without, empty = result.get("n_without", 0), result.get("n_empty", 0)
    return join_clauses(
        [
            f"{plural(result.get('n_texts', 0), 'instruction')} read, {plural(result.get('n_tasks', 0), 'task')}",
            f"{plural(without, 'instruction')} without one" if without else "",
            f"{plural(empty, 'row')} without an instruction left out" if empty else "",
        ]
    )


def _arrange(result: Mapping[str, Any]) -> str:
    n_factors = result.get("n_factors", 0)
    return (
        f"{plural(n_factors, 'task')} shown, rarer ones by group, and laid out by the vectors of the encoder "
        f"{result.get('encoder', '')}"
    )


def quality(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the held-out measures of the links as "measures", and "sentences" that explain them.

    Each measure has "name", "value" and "untrained" (None if unknown), both at most 1, and "chance" (None for recall).
    """
    result = record.get("stages", {}).get("link", {}).get("result") or {}
    recall, auc = _finite(result.get("recall_at_10")), _finite(result.get("auc"))
    if recall is None and auc is None:
        return {"measures": [], "sentences": [_TOO_FEW if result.get("too_few") else _OWN_CHOICE]}
    heldout, trained = result.get("n_heldout"), result.get("recipe") != "untrained"
    base_recall = _finite(result.get("untrained_recall_at_10"))
    base_auc = _finite(result.get("untrained_auc"))
    aside = f"{plural(heldout, 'text')}, each held out once" if heldout else "held-out texts"
    measures: list[dict[str, Any]] = []
    sentences = []
    agreement, base = _finite(result.get("agreement")), _finite(result.get("untrained_agreement"))
    if agreement is not None:
        measures.append({"name": "agreement", "value": agreement, "untrained": base, "chance": 0.0})
        before = f" (untrained encoder: {base:.2f})" if base is not None else ""
        sentences.append(
            f"Agreement: the correlation between how alike two texts are and how alike their proposed properties are, for "
            f"{aside}, is {agreement:.2f}{before}; the links were selected by it."
        )
    if recall is not None:
        measures.append({"name": "recall@10", "value": recall, "untrained": base_recall, "chance": None})
        before = f" (untrained encoder: {format_percent(base_recall)})" if base_recall is not None else ""
        sentences.append(
            f"Recall@10: of the properties proposed for {aside}, {format_percent(recall)} are among the ten that "
            f"the links rank highest{before}."
        )
    if auc is not None:
        measures.append({"name": "AUC", "value": auc, "untrained": base_auc, "chance": 0.5})
        before = f" (untrained encoder: {format_percent(base_auc)})" if base_auc is not None else ""
        sentences.append(
            "AUC: given a property that was proposed for a text and one that was not, the links rank the "
            f"right one higher {format_percent(auc)} of the time{before}; guessing would give 50%."
        )
    if not trained:
        sentences.append(
            "Training did not improve on the untrained encoder, so the untrained encoder is used."
        )
    return {"measures": measures, "sentences": sentences}


def settings(record: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return every recorded argument as stage, name and value, without folders and secrets."""
    return [
        {"stage": _TITLES.get(stage, stage), "name": to_line(str(name), 60), "value": _shareable(value)}
        for stage, entry in record.get("stages", {}).items()
        for name, value in (entry.get("arguments") or {}).items()
        if not _SECRET.search(str(name))
    ]


def _shareable(value: Any) -> str:
    """Return a setting as text that is safe to share, without user names and local folders."""
    if value is None:
        return "default"
    text = _USERINFO.sub("", str(value))
    local = _LOCAL_PATH.fullmatch(text)
    if local:
        text = (local[1] or "") + PurePath(local[2].replace("\\", "/")).name
    return to_line(text, 120)


def _finite(value: Any) -> float | None:
    """Return a recorded number, or None if it is missing or not finite."""
    if isinstance(value, (int, float)) and math.isfinite(value):
        return float(value)
    return None
