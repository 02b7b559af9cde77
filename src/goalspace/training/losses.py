"""The losses: InfoNCE of texts and properties, and the supervised contrastive loss between texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


_MASKED = -1e4  # exp(_MASKED) is 0 and, unlike -inf, gives no NaN for a text without negatives


def info_nce(cosines: torch.Tensor, has: torch.Tensor, temperature: float) -> torch.Tensor:
    """Compute −log(e^s / (e^s + Σ e^s⁻)) averaged over all pairs, with s = cosine / temperature.

    Parameters
    ----------
    cosines
        (n_texts, n_properties).
    has
        Same shape, bool: the pairs. The negatives s⁻ of a text are the properties it does not have.
    temperature
        Smaller values put more weight on the nearest negatives.

    Returns
    -------
    A number, in nats (van den Oord et al. 2018, arXiv 1807.03748, eq. 4).
    """
    return _terms(cosines, has, temperature)[has].mean()


def supervised_contrastive(cosines: torch.Tensor, has: torch.Tensor, temperature: float) -> torch.Tensor:
    """Compute the contrastive loss between texts: texts that share a property are pairs, others negatives.

    Parameters
    ----------
    cosines
        (n_texts, n_texts).
    has
        (n_texts, n_properties), bool.
    temperature
        As in `info_nce`.

    Returns
    -------
    A number, in nats: the mean over the pairs of a text, then over the texts with pairs; 0 if there are none
    (Khosla et al. 2020, arXiv 2004.11362, eq. 2, except that the other pairs of a text are left out of the
    denominator, where they would push texts with the same property apart).
    """
    import torch

    shared = has.float() @ has.float().T > 0
    pairs = shared & ~torch.eye(len(has), dtype=torch.bool, device=has.device)
    per_text = (_terms(cosines, shared, temperature) * pairs).sum(dim=1) / pairs.sum(dim=1).clamp(min=1)
    return per_text.sum() / pairs.any(dim=1).sum().clamp(min=1)


def _terms(cosines: torch.Tensor, positive: torch.Tensor, temperature: float) -> torch.Tensor:
    """Return −log(e^s / (e^s + Σ e^s⁻)) of every entry; negatives are the non-positive entries of its row."""
    from torch.nn import functional

    scores = cosines / temperature
    negatives = scores.masked_fill(positive, _MASKED).logsumexp(dim=1, keepdim=True)
    return functional.softplus(negatives - scores)
