"""The words of the progress line for calls: pace, cost, retries and unread replies."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from goalspace.llm.meter import Meter


def describe_pace(meter: Meter, seconds_left: float | None) -> list[str]:
    """Return the calls per minute, and the time left if it is known."""
    left = [] if seconds_left is None else [f"{format_duration(seconds_left)} left"]
    return [f"{meter.rate():,.0f} calls/min", *left]


def describe_calls(meter: Meter) -> list[str]:
    """Return what was spent of the cap, the retries by reason, and the replies repaired and unread."""
    from goalspace.text import count_reasons, plural

    retries = meter.retries
    n_unread = (meter.unread + meter.pending).total()
    parts = [
        describe_cost(meter, of_cap=True),
        *([f"{plural(retries.total(), 'retry', 'retries')}: {count_reasons(retries)}"] if retries else []),
        *([f"{meter.n_repaired:,} repaired"] if meter.n_repaired else []),
        *([f"{n_unread:,} unread"] if n_unread else []),
    ]
    return [part for part in parts if part]


def describe_totals(meter: Meter) -> str:
    """Return the line after the last call; empty if there was none."""
    from goalspace.text import count_reasons, plural

    if not meter.n_calls and not meter.retries:
        return ""
    retries, unread = meter.retries, +meter.unread
    stored = (
        f" ({plural(meter.n_replayed, 'stored reply', 'stored replies')} apart)" if meter.n_replayed else ""
    )
    parts = [
        describe_cost(meter, of_cap=False),
        *([f"{plural(retries.total(), 'retry', 'retries')} ({count_reasons(retries)})"] if retries else []),
        *([f"{plural(meter.n_repaired, 'reply', 'replies')} repaired"] if meter.n_repaired else []),
        *(
            [f"{plural(unread.total(), 'reply', 'replies')} unread ({count_reasons(unread)})"]
            if unread
            else []
        ),
    ]
    times = plural(meter.n_calls, "time")
    return (
        f"asked the LLM {times}{stored} in {format_duration(meter.seconds)}: {', '.join(filter(None, parts))}"
    )


def describe_cost(meter: Meter, *, of_cap: bool) -> str:
    """Return the dollars that were spent if all prices are known, else the tokens; empty if nothing was counted.

    Parameters
    ----------
    meter
        The counts.
    of_cap
        Say what the cap is, and count as it does: with earlier starts, and with what is set aside for calls in flight.
    """
    usd, tokens, budget, most_tokens = meter.usd, meter.tokens, None, None
    if of_cap and meter.ledger is not None:
        usd, tokens = meter.ledger.spent()
        budget, most_tokens = meter.ledger.limits.budget, meter.ledger.limits.max_tokens_total
    about = "about " if meter.is_estimate and not of_cap else ""
    if budget is not None or (meter.is_priced and most_tokens is None):
        return about + format_dollars(usd) + (f" of {format_dollars(budget)}" if budget is not None else "")
    cap = f" of {most_tokens:,}" if most_tokens is not None else ""
    return f"{about}{tokens:,}{cap} tokens" if tokens or cap else ""


def format_dollars(value: float) -> str:
    """Return an amount in cents, or in more detail if it is less than one."""
    return f"${value:,.2f}" if value >= 0.01 or not value else f"${value:.4f}"


def format_duration(seconds: float) -> str:
    """Return a time in seconds, minutes or hours."""
    minutes = seconds / 60
    return (
        f"{minutes / 60:.1f} h"
        if minutes >= 90
        else f"{minutes:.0f} min"
        if minutes >= 1.5
        else f"{seconds:.0f} s"
    )
