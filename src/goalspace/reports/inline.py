"""report.html: the explorer's page with inlined data, which works offline and from file:// URLs."""

from __future__ import annotations

import base64
import html
import json
from typing import Any

import numpy as np

from goalspace.pages import templates
from goalspace.reports import view as answers
from goalspace.reports.compare import compare
from goalspace.reports.contract import Capabilities
from goalspace.reports.contract_details import Inlined, InlinedText
from goalspace.reports.over_time import measure_over_time
from goalspace.reports.view import View
from goalspace.reports.why import nearest, why
from goalspace.text import display_names, fill_slots, to_line

MAX_TEXTS = 5_000  # texts that are inlined; a sample if there are more
MAX_CHARACTERS = 6_000_000  # of all texts; metadata is bounded by the number of columns and _METADATA
MAX_TEXT_LENGTH = 4_000  # characters of one text
_FACTORS, _PROPERTIES = 6, 8  # reasons per text
_METADATA = 200  # characters of a metadata value


def sample(view: View) -> np.ndarray:
    """Return the rows of the texts to inline: those with evidence, then a random sample of the others up to the limits."""
    corpus = view.run.corpus
    shown = [item["row"] for card in view.summary_data["factors"] for item in card["evidence"]]
    others = np.random.default_rng(0).permutation(len(corpus)).tolist()
    rows = list(dict.fromkeys([*shown, *others]))[:MAX_TEXTS]
    lengths = np.cumsum([min(len(corpus.texts[row]), MAX_TEXT_LENGTH) for row in rows])
    kept = int(np.searchsorted(lengths, MAX_CHARACTERS, side="right"))
    return np.sort(np.array(rows[:kept], dtype=np.int32))


def render(view: View) -> str:
    """Return the page as one HTML document.

    Parameters
    ----------
    view
        The run, with `rows` from `sample`.
    """
    style, script = (templates.built(f"app.{kind}").strip() for kind in ("css", "js"))
    policy = (
        f"default-src 'none'; style-src '{templates.source_hash(style)}'; "
        f"script-src '{templates.source_hash(script)}'; img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    slots = {
        "csp": policy,
        "title": html.escape(f"{view.summary_data['goal']} – goalspace"),
        "style": style,
        "data": inline_json(inlined(view)),
        "script": script,
    }
    return fill_slots(templates.built("report.html"), slots)


def inlined(view: View) -> Inlined:
    """Return the data of the page."""
    capabilities: Capabilities = {"edit": False, "meaning": False, "fullTexts": False, "compareRuns": False}
    scores = np.clip(np.rint(view.factors.scores[view.rows].T * 1000), -32_000, 32_000).astype("<i2")
    return {
        "summary": answers.summary(view, capabilities=capabilities, cut=MAX_TEXT_LENGTH),
        "map": _base64(answers.map_bytes(view)),
        "scores": _base64(np.ascontiguousarray(scores).tobytes()),
        "columns": [_base64(answers.column_bytes(view, at, number="<f8")) for at in range(len(view.columns))],
        "layer": answers.layer(view),
        "texts": _texts(view),
        "metadata": [(shown, name) for name, shown in display_names(view.run.corpus.metadata).items()],
        "comparisons": [compare(view, at) for at in range(len(view.columns))],
        "over_time": [
            measure_over_time(view, at) for at, column in enumerate(view.columns) if column.kind == "time"
        ],
        "agreements": [],
    }


def _texts(view: View) -> list[InlinedText]:
    coordinates = view.coordinates[view.rows]
    texts: list[InlinedText] = [
        {
            **why(view, row, max_length=MAX_TEXT_LENGTH, n_factors=_FACTORS, n_properties=_PROPERTIES),
            "near": [(int(view.rows[other]), r) for other, r in nearest(coordinates, at)],
        }
        for at, row in enumerate(view.rows.tolist())
    ]
    metadata = view.run.corpus.metadata
    for name, shown in display_names(metadata).items():
        values = metadata[name]
        for item in texts:
            value = values[item["row"]]
            if value is not None:
                item["metadata"][shown] = to_line(str(value), _METADATA)
    return texts


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def inline_json(value: Any) -> str:
    """Return JSON in which no text can open or close an HTML element or comment."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    text = text.encode("utf-8", "replace").decode("utf-8")
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
