"""Items whose answers tell the score best: forward selection and exchange for ridge regression."""

from __future__ import annotations

import numpy as np

_PENALTY = 5.0  # of the squared weights of 0/1 answers; good from 20 models up to thousands (bench/uses/compression.py)
_ROUNDS = 3
_EXCHANGE = 2e10  # multiplications that exchanges may cost


def choose_items(correct: np.ndarray, scores: np.ndarray, n_items: int) -> np.ndarray:
    """Choose items such that a ridge regression of the scores on them leaves the least error.

    Forward selection, an item at a time, by a pivoted Cholesky factorisation of the penalised covariance, so that
    no matrix of all pairs of items is made. Then each item in turn is taken out and the best one put in, up to
    three times round.

    Parameters
    ----------
    correct
        (n_models, n_all) from 0 to 1.
    scores
        (n_models,) what is to be told.
    n_items
        How many, up to n_all.

    Returns
    -------
    (n_items,) columns of `correct`, in the order of choice.
    """
    answers = correct - correct.mean(axis=0)
    target = scores - scores.mean()
    explained = answers.T @ target  # covariance of every item with what the chosen ones leave unexplained
    left = (answers**2).sum(axis=0) + _PENALTY  # variance of every item that the chosen ones leave
    factor = np.zeros((n_items, answers.shape[1]))
    chosen: list[int] = []
    open_ = np.ones(answers.shape[1], dtype=bool)
    for step in range(n_items):
        item = int(np.argmax(np.where(open_, explained**2 / left, -1)))
        column = answers.T @ answers[:, item]
        column[item] += _PENALTY
        column = (column - factor[:step].T @ factor[:step, item]) / np.sqrt(left[item])
        factor[step] = column
        explained = explained - column * (explained[item] / np.sqrt(left[item]))
        left = np.maximum(left - column**2, 1e-9)
        chosen.append(item)
        open_[item] = False
    if n_items < answers.shape[1] and _ROUNDS * n_items**3 * answers.shape[1] <= _EXCHANGE:
        chosen = _exchanged(answers, target, chosen)
    return np.array(chosen)


def _exchanged(answers: np.ndarray, target: np.ndarray, chosen: list[int]) -> list[int]:
    """Swap single items as long as that leaves less error."""
    variance = (answers**2).sum(axis=0) + _PENALTY
    with_target = answers.T @ target
    chosen = list(chosen)
    for _ in range(_ROUNDS):
        before = list(chosen)
        for place, item in enumerate(before):
            others = chosen[:place] + chosen[place + 1 :]
            covariance = answers.T @ answers[:, others]
            covariance[others, range(len(others))] += _PENALTY
            solved = np.linalg.solve(covariance[others], np.c_[covariance.T, with_target[others]])
            unexplained = with_target - covariance @ solved[:, -1]
            left = np.maximum(variance - np.einsum("ij,ji->i", covariance, solved[:, :-1]), 1e-9)
            gain = unexplained**2 / left
            gain[others] = -1
            best = int(gain.argmax())
            if gain[best] > gain[item] * (1 + 1e-6):
                chosen[place] = best
        if chosen == before:
            break
    return chosen
