"""The losses: InfoNCE of texts and properties, and the supervised contrastive loss between texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


_MASKED = -1e4  # exp(_MASKED) is 0, and unlike -inf it leaves no NaN when a text has no negative


def info_nce(cosines: torch.Tensor, has: torch.Tensor, temperature: float) -> torch.Tensor:
    """Compute −log(e^s / (e^s + Σ e^s⁻)) averaged over all pairs, with s = cosine / temperature.

    Parameters
    ----------
    cosines
        (n_texts, n_properties).
    has
        The same shape, bool: the pairs. The negatives s⁻ of a text are the properties that it has not.
    temperature
        Smaller tells the nearest negatives apart more sharply.

    Returns
    -------
    A number, in nats (van den Oord et al. 2018, arXiv 1807.03748, eq. 4).
    """
    return _terms(cosines, has, temperature)[has].mean()


def supervised_contrastive(cosines: torch.Tensor, has: torch.Tensor, temperature: float) -> torch.Tensor:
    """Compute the same between texts: those that share a property are pairs, those that share none negatives.

    Parameters
    ----------
    cosines
        (n_texts, n_texts).
    has
        (n_texts, n_properties), bool.
    temperature
        As of `info_nce`.

    Returns
    -------
    A number, in nats: the mean over the pairs of a text, then over the texts that have any; 0 when none has
    (Khosla et al. 2020, arXiv 2004.11362, eq. 2, but that the other pairs of a text are left out of the
    denominator, where they would push texts of one property apart).
    """
    import torch

    shared = has.float() @ has.float().T > 0
    pairs = shared & ~torch.eye(len(has), dtype=torch.bool, device=has.device)
    per_text = (_terms(cosines, shared, temperature) * pairs).sum(dim=1) / pairs.sum(dim=1).clamp(min=1)
    return per_text.sum() / pairs.any(dim=1).sum().clamp(min=1)


def _terms(cosines: torch.Tensor, positive: torch.Tensor, temperature: float) -> torch.Tensor:
    """−log(e^s / (e^s + Σ e^s⁻)) of every entry; the negatives are the entries of its row that are not positive."""
    from torch.nn import functional

    scores = cosines / temperature
    negatives = scores.masked_fill(positive, _MASKED).logsumexp(dim=1, keepdim=True)
    return functional.softplus(negatives - scores)
