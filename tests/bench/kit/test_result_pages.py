"""Pages with tables of results."""

from __future__ import annotations

import pytest

from bench.kit.result_pages import fill, render_pages

TABLE = {
    "title": "Speed: one machine",
    "caption": "seconds",
    "columns": ["fit", "note"],
    "rows": [
        {"row": "goalspace", "fit": {"mean": 1.0, "se": 0.25}, "note": "a|b"},
        {"row": "peer", "fit": 1234.5, "note": None},
    ],
}
DOCUMENTS = {"speed": {"name": "speed", "tables": [TABLE]}}


def page(request: str) -> str:
    return f"Before.\n<!-- table: {request} -->\nold\n<!-- end -->\nAfter.\n"


def test_pages_show_the_committed_results():
    for path, text in render_pages().items():
        assert path.read_text("utf-8") == text, f"{path.name} is out of date: make publish"


def test_fill_replaces_what_is_between_the_markers():
    filled = fill(page("speed | Speed"), DOCUMENTS)
    assert filled == page("speed | Speed").replace(
        "old\n",
        "Speed: one machine (seconds):\n\n| | fit |\n|---|---|\n| **goalspace** | 1.000 ± 0.250 |\n| peer | 1,234 |\n",
    )


def test_fill_selects_columns_and_rows():
    filled = fill(page("speed | Speed | caption: none | columns: note; fit | rows: goalspace"), DOCUMENTS)
    assert (
        "\n| | note | fit |\n|---|---|---|\n| **goalspace** | a\\|b | 1.000 ± 0.250 |\n<!-- end -->" in filled
    )
    assert "Speed: one machine" not in filled


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ("memory | Speed", "no result named memory"),
        ("speed | Memory", "no table whose title starts with 'Memory'"),
        ("speed | Speed | columns: fit; size", "Unknown: size. Choose from fit, note."),
        ("speed | Speed | rows: nobody", "Unknown: nobody"),
    ],
)
def test_fill_refuses_what_does_not_exist(request_, message):
    with pytest.raises(LookupError, match=message):
        fill(page(request_), DOCUMENTS)
