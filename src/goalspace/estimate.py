"""A mean with its standard error."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class Estimate(NamedTuple):
    """The mean over seeds, texts or folds and its standard error, which is 0 for equal values or a single one."""

    mean: float
    se: float

    @classmethod
    def of(cls, values: ArrayLike) -> Estimate:
        """Summarise one number per seed."""
        x = np.asarray(values, dtype=np.float64)
        return cls(float(x.mean()), float(x.std(ddof=1) / np.sqrt(x.size)) if x.size > 1 else 0.0)
