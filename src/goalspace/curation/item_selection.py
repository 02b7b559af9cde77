"""Selection of the items that best predict the score: forward selection and exchange for ridge regression."""

from __future__ import annotations

import numpy as np

_PENALTY = 5.0  # of the squared weights of 0/1 answers; good from 20 models up to thousands (bench/uses/compression.py)
_ROUNDS = 3
_EXCHANGE = 2e10  # largest number of multiplications for exchanges


def choose_items(correct: np.ndarray, scores: np.ndarray, n_items: int) -> np.ndarray:
    """Choose items that minimise the error of a ridge regression of the scores on them.

    Forward selection, one item at a time, by a pivoted Cholesky factorisation of the penalised covariance, which
    avoids a matrix of all pairs of items. Then each item in turn is replaced by the best one, in up to three
    rounds.

    Parameters
    ----------
    correct
        (n_models, n_all) from 0 to 1.
    scores
        (n_models,) the scores to predict.
    n_items
        Number of items, up to n_all.

    Returns
    -------
    (n_items,) columns of `correct`, in the order of choice.
    """
    answers = correct - correct.mean(axis=0)
    target = scores - scores.mean()
    explained = answers.T @ target  # covariance of every item with the residual after the chosen items
    left = (answers**2).sum(axis=0) + _PENALTY  # residual variance of every item after the chosen items
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
    """Swap single items while this reduces the error."""
    variance = (answers**2).sum(axis=0) + _PENALTY
    with_target = answers.T @ target
    chosen = list(chosen)
    for _ in range(_ROUNDS):
        before = list(chosen)
        for position, item in enumerate(before):
            others = chosen[:position] + chosen[position + 1 :]
            covariance = answers.T @ answers[:, others]
            covariance[others, range(len(others))] += _PENALTY
            solved = np.linalg.solve(covariance[others], np.c_[covariance.T, with_target[others]])
            unexplained = with_target - covariance @ solved[:, -1]
            left = np.maximum(variance - np.einsum("ij,ji->i", covariance, solved[:, :-1]), 1e-9)
            gain = unexplained**2 / left
            gain[others] = -1
            best = int(gain.argmax())
            if gain[best] > gain[item] * (1 + 1e-6):
                chosen[position] = best
        if chosen == before:
            break
    return chosen
