"""Numbers turned into the geometry of small SVG charts: the map, the TC curve, sparklines."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

N_COLOURS = 20  # classes c0 to c19 in report.css; later factors share the grey class cx


def colour(factor: int) -> str:
    """Return the CSS class that carries a factor's colour."""
    return f"c{factor}" if 0 <= factor < N_COLOURS else "cx"


def map_paths(points: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return one SVG path per factor, a dot per text, the texts without a dominant factor first (underneath).

    A dot is a line of no length with a round cap: its size stays in pixels when the map is stretched.
    """
    dots: dict[int, list[str]] = {}
    for x, y, factor in zip(points["x"], points["y"], points["factor"], strict=True):
        dots.setdefault(factor, []).append(f"M{x} {y}h.01")
    return [
        {"factor": factor, "colour": colour(factor) if factor >= 0 else "none", "d": "".join(dots[factor])}
        for factor in sorted(dots)
    ]


def dot_size(n_points: int) -> str:
    """Return the CSS class of the dots' size."""
    return "large" if n_points <= 400 else "medium" if n_points <= 1500 else "small"


def sparkline(
    shares: Sequence[float | None], *, width: float = 200, height: float = 36
) -> dict[str, Any] | None:
    """Return the line of shares over periods: paths (broken at gaps), the peak and the ends.

    None when fewer than two periods have texts.
    """
    known = [(i, share) for i, share in enumerate(shares) if share is not None]
    if len(known) < 2:
        return None
    peak_at, peak = max(known, key=lambda item: item[1])
    top, margin = max(peak, 1e-9), 4.0

    def place(i: int, share: float) -> tuple[float, float]:
        x = margin + (width - 2 * margin) * i / (len(shares) - 1)
        return round(x, 1), round(height - margin - (height - 2 * margin) * share / top, 1)

    segments: list[list[tuple[float, float]]] = [[]]
    for i, share in enumerate(shares):
        if share is not None:
            segments[-1].append(place(i, share))
        elif segments[-1]:
            segments.append([])
    lines = [points for points in segments if points]
    return {
        "width": width,
        "height": height,
        "base": height - margin,
        "paths": ["M" + "L".join(f"{x} {y}" for x, y in points) + "h.01" for points in lines],
        "areas": [
            f"M{points[0][0]} {height - margin}L"
            + "L".join(f"{x} {y}" for x, y in points)
            + f"L{points[-1][0]} {height - margin}Z"
            for points in lines
            if len(points) > 1
        ],
        "peak": {"i": peak_at, "share": peak, "at": place(peak_at, peak)},
        "first": {"i": known[0][0], "share": known[0][1]},
        "last": {"i": known[-1][0], "share": known[-1][1], "at": place(*known[-1])},
    }


def curve(
    points: Sequence[Sequence[float]], chosen: int, *, width: float = 440, height: float = 232
) -> dict[str, Any]:
    """Return the TC curve's geometry: path, dots, ticks, and the chosen number of factors."""
    left, right, top, bottom = 48.0, 16.0, 26.0, 46.0
    xs, ys = [float(k) for k, _ in points], [float(tc) for _, tc in points]
    y_ticks = _ticks(min(0.0, *ys), max(*ys, 1e-9)) if len(ys) > 1 else _ticks(0.0, max(ys[0], 1e-9))
    low, high = min(y_ticks[0], *ys), max(y_ticks[-1], *ys)
    x_low, x_high = min(xs), max(xs)

    def place(k: float, tc: float) -> tuple[float, float]:
        x = left + (width - left - right) * ((k - x_low) / (x_high - x_low) if x_high > x_low else 0.5)
        return round(x, 1), round(height - bottom - (height - top - bottom) * (tc - low) / (high - low), 1)

    places = [place(k, tc) for k, tc in zip(xs, ys, strict=True)]
    return {
        "width": width,
        "height": height,
        "left": left,
        "right": width - right,
        "top": top,
        "bottom": height - bottom,
        "path": "M" + "L".join(f"{x} {y}" for x, y in places),
        "dots": [
            {"k": int(k), "tc": tc, "at": at, "chosen": int(k) == chosen}
            for k, tc, at in zip(xs, ys, places, strict=True)
        ],
        "x_ticks": _spaced([int(k) for k in xs], [x for x, _ in places], chosen),
        "y_ticks": [{"label": f"{tick:g}", "y": place(x_low, tick)[1]} for tick in y_ticks],
    }


def _ticks(low: float, high: float) -> list[float]:
    """Return three to six round numbers from at most `low` to at least `high`."""
    span = (high - low) or 1.0
    power = 10.0 ** math.floor(math.log10(span / 4))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if span / (m * power) <= 5)
    first, last = math.floor(low / step), math.ceil(high / step - 1e-9)
    return [round(i * step, 10) for i in range(first, last + 1)]


def _spaced(ks: Sequence[int], xs: Sequence[float], chosen: int, gap: float = 30) -> list[dict[str, Any]]:
    """Label the chosen number of factors, and those of the others that leave room."""
    kept: list[tuple[int, float]] = [(k, x) for k, x in zip(ks, xs, strict=True) if k == chosen][:1]
    for k, x in zip(ks, xs, strict=True):
        if all(abs(x - other) >= gap for _, other in kept):
            kept.append((k, x))
    return [{"label": str(k), "x": x, "chosen": k == chosen} for k, x in sorted(kept)]
