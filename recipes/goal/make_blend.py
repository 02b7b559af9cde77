"""Fit what the encoder `goal` puts beside its own vectors, and write src/goalspace/data/goal_blend.safetensors.

    python -m recipes.goal.make_blend

For every goal of the training domains: how much more alike texts with a common answer are than others, in plain MiniLM and in
their surface. Ridge regression predicts both from the vector of the goal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from goalspace.encoders.blend import MAX_DEVIATION, Blend, save_blend
from goalspace.encoders.minilm import MiniLM
from goalspace.encoders.surface import surface_features
from goalspace.vectors.geometry import normalize
from recipes.goal.corpus import Domain, read_domains, split
from recipes.goal.train import SHIPPED

BLEND = SHIPPED.with_name("goal_blend.safetensors")
_MIN_PAIRS = 5  # with a common answer, and without, for a goal to count
_ALPHAS = np.logspace(-1, 3, 9)


def fit(domains: Sequence[Domain]) -> Blend:
    """Fit a blend to the goals of domains."""
    from sklearn.linear_model import RidgeCV

    texts = [text.text for domain in domains for text in domain.texts]
    features = surface_features(texts)
    spread = features.std(axis=0)
    scale = np.where(spread > 1e-6, spread, np.inf).astype(np.float32)
    mean = features.mean(axis=0, dtype=np.float64).astype(np.float32)
    surface = normalize(np.clip((features - mean) / scale, -MAX_DEVIATION, MAX_DEVIATION))
    plain = MiniLM().encode(texts)
    wordings: list[str] = []
    differences: list[list[float]] = []
    start = 0
    for domain in domains:
        rows = slice(start, start + len(domain.texts))
        start = rows.stop
        for goal, found in _measure(domain, plain[rows], surface[rows]):
            wordings.append(goal)
            differences.append(found)
    wanted = np.array(differences)
    model = RidgeCV(_ALPHAS).fit(MiniLM().encode(wordings), wanted - wanted.mean(axis=0))
    return Blend(model.coef_.astype(np.float32), model.intercept_.astype(np.float32), mean, scale)


def _measure(domain: Domain, *kinds: np.ndarray) -> Iterator[tuple[str, list[float]]]:
    """Yield every wording of the goals, with the differences in all kinds of vectors."""
    pairs = np.triu_indices(len(domain.texts), 1)
    cosines = [(vectors @ vectors.T)[pairs] for vectors in kinds]
    for aspect, wordings in domain.goals.items():
        answers = [set(text.properties[aspect]) for text in domain.texts]
        alike = np.array([bool(answers[i] & answers[j]) for i, j in zip(*pairs, strict=True)])
        if min(alike.sum(), (~alike).sum()) < _MIN_PAIRS:
            continue
        found = [float((own[alike].mean() - own[~alike].mean()) / own.std()) for own in cosines]
        for wording in wordings:
            yield wording, found


if __name__ == "__main__":
    save_blend(fit(split(read_domains()).train), BLEND)
    print(f"wrote {BLEND}")
