"""The summary of a run for a terminal: goal, stages, factors, and where the report is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from goalspace.factors.naming import distinct_names
from goalspace.text import format_percent, format_seconds, plural, to_line

MAX_ROWS = 25  # factors printed; the report has all
_BAR = 8  # cells
_SHOWN = 3  # properties per factor


def render(summary: dict[str, Any], *, path: str | Path | None = None) -> RenderableType:
    """Return the summary as a rich renderable for 80 columns or more; its texts are not read as markup."""
    parts: list[RenderableType] = [
        Text(summary["goal"], style="bold"),
        Text(summary["headline"]),
        Text(),
        _stages(summary),
        Text(),
        _factors(summary),
    ]
    more = len(_shown_factors(summary)) - MAX_ROWS
    if more > 0:
        parts.append(Padding(Text(f"and {plural(more, 'more factor')}, in the report"), (0, 0, 0, 4)))
    parts += [Text(), *(Text(sentence, style="dim") for sentence in summary["quality"]["sentences"][:1])]
    if path is not None:
        parts += [Text(), Text.assemble(("report  ", "bold"), str(path), overflow="fold")]
    return Group(*parts)


def _stages(summary: dict[str, Any]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0), expand=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(justify="right", no_wrap=True, style="dim")
    for stage in summary["stages"]:
        table.add_row(stage["title"], Text(stage["line"]), format_seconds(stage["seconds"]))
    return table


def _factors(summary: dict[str, Any]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim", expand=False)
    table.add_column("", justify="right", style="dim", no_wrap=True)
    table.add_column("factor", overflow="fold", max_width=34)
    table.add_column("texts", no_wrap=True)
    table.add_column("typical properties", overflow="fold")
    top = max([factor["share"] for factor in summary["factors"]] + [summary["undescribed"]["share"], 1e-9])
    for factor in _shown_factors(summary)[:MAX_ROWS]:
        along = [item for item in factor["properties"] if item["weight"] > 0]
        properties = ", ".join(_signed(item) for item in _varied(along or factor["properties"], _SHOWN))
        table.add_row(
            str(factor["index"] + 1),
            Text(to_line(factor["name"], 60), style="bold"),
            share_bar(factor["share"], top, "cyan"),
            Text(properties),
        )
    if summary["undescribed"]["n"]:
        table.add_row(
            "",
            Text(summary["undescribed"]["name"]),
            share_bar(summary["undescribed"]["share"], top, "dim"),
            "",
        )
    return table


def _shown_factors(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the factors that are not hidden."""
    return [factor for factor in summary["factors"] if not factor["hidden"]]


def _varied(items: Sequence[dict[str, Any]], limit: int) -> list[dict[str, Any]]:
    """Prefer the strongest properties that share no word: "refund, refunds, want refund" say the same."""
    chosen = list(distinct_names([item["name"] for item in items]))
    others = sorted(set(range(len(items))) - set(chosen))
    return [items[i] for i in (*chosen, *others)[:limit]]


def _signed(item: dict[str, Any]) -> str:
    return ("− " if item["weight"] < 0 else "") + to_line(item["name"], 60)


def share_bar(share: float, top: float, style: str) -> Text:
    """Return a share as a bar, scaled to the largest share, and as a percentage."""
    eighths = round(8 * _BAR * share / top)
    full, part = divmod(eighths, 8)
    bar = "█" * full + (" ▏▎▍▌▋▊▉"[part] if part else "")
    return Text.assemble((f"{bar:<{_BAR}}", style), f" {format_percent(share):>5}")
