"""Shares of factors among the texts of a run and further ones, for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from goalspace.increments.shares import Share, ShareChange


def share_table(changes: Sequence[ShareChange], names: Sequence[str], *, further: str = "new texts") -> Table:
    """Return a row per factor: its share among the run's texts and the further ones, with 95 % intervals."""
    from rich.table import Table
    from rich.text import Text

    from goalspace.text import to_line

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim", expand=False)
    table.add_column("", justify="right", style="dim", no_wrap=True)
    table.add_column("factor", overflow="fold", max_width=34)
    table.add_column("of the run", justify="right", no_wrap=True)
    table.add_column(further, justify="right", no_wrap=True)
    table.add_column("change", no_wrap=True)
    for change in changes:
        number, name = (
            (str(change.factor + 1), names[change.factor]) if change.factor >= 0 else ("", "no factor")
        )
        table.add_row(
            number,
            Text(to_line(name, 60), style="bold" if number else ""),
            format_share(change.before),
            format_share(change.after),
            _change(change),
        )
    return table


def format_share(share: Share) -> str:
    """Return a share with its interval, such as "12% (9–16%)"."""
    from goalspace.text import format_percent

    return f"{format_percent(share.value)} ({100 * share.low:.0f}–{100 * share.high:.0f}%)"


def _change(change: ShareChange) -> str:
    """Return the interval of a significant change in percentage points."""
    if not change.is_significant:
        return ""
    return f"{100 * change.low:+.0f} to {100 * change.high:+.0f} points".replace("-", "−")


NOTE = "In brackets: 95% intervals. Changes are shown where they are significant at a false discovery rate of 5%."


def unexplained_sentence(share: Share) -> str:
    """Say how many of the further texts no factor explains."""
    return (
        f"No factor explains {format_share(share)} of the new texts: they are less like any factor than 95% of the run's "
        "texts are."
    )


def foreign_sentence(share: float | None, encoder: str) -> str:
    """Return a warning if many texts are in languages that the encoder does not know; "" otherwise."""
    from goalspace.language.detection import MANY_FOREIGN, languages_of
    from goalspace.text import format_percent

    if share is None or share < MANY_FOREIGN:
        return ""
    known = " or ".join(", ".join(languages_of(encoder)).rsplit(", ", 1))
    return (
        f"{format_percent(share)} of the new texts do not look {known}, all that the encoder {encoder.partition('@')[0]} "
        "knows: do not rely on their scores."
    )
