"""The wording of reports on a run: headline, citations, and what the pages call its texts and factors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from goalspace.text import format_percent, plural


@dataclass(frozen=True)
class Wording:
    """The wording of reports on a run.

    Attributes
    ----------
    kind
        What the pages show: "texts" with factors, or "instructions" with tasks.
    citations
        What to cite, each with "what", "text" and "url".
    headline
        Summarises a run in two sentences, given the "factors" and the "totals" of `reports.summary.summarise`.
    """

    kind: Literal["texts", "instructions"]
    citations: tuple[Mapping[str, str], ...]
    headline: Callable[[Sequence[Mapping[str, Any]], Mapping[str, Any]], str]


def _headline(factors: Sequence[Mapping[str, Any]], totals: Mapping[str, Any]) -> str:
    counted = plural(totals["n_factors"], "factor")
    texts = plural(totals["n_texts"], "text")
    if not totals["n_described"]:
        return f"{texts} and {counted}; no text is described clearly by one of them."
    largest = max(factors, key=lambda factor: factor["share"])
    share = f"“{largest['name']}”, describes {format_percent(largest['share'])} of the texts best"
    rest = totals["n_texts"] - totals["n_described"]
    fits = "are not relevant to the goal" if rest == totals["n_not_relevant"] else "fit no factor"
    fit = f"; {format_percent(rest / totals['n_texts'])} {fits}" if rest else ""
    return f"{texts}, {counted}. {'The most common' if len(factors) > 1 else 'It'}, {share}{fit}."


TEXTS = Wording(
    kind="texts",
    citations=(
        {
            "what": "the method: properties for a goal, links, factors (Instruct-LF)",
            "text": "Xie, Khot, Dalvi Mishra, Surana, McAuley, Clark, Majumder: Latent Factor Models Meets "
            "Instructions: Goal-conditioned Latent Factor Discovery without Task Supervision. NAACL 2025. "
            "arXiv:2502.15147",
            "url": "https://arxiv.org/abs/2502.15147",
        },
        {
            "what": "the factor model (Linear CorEx)",
            "text": "Ver Steeg, Harutyunyan, Moyer, Galstyan: Fast Structure Learning with Modular "
            "Regularization. NeurIPS 2019. arXiv:1706.03353",
            "url": "https://arxiv.org/abs/1706.03353",
        },
    ),
    headline=_headline,
)
