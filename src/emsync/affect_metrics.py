"""How well the affect that was asked for agrees with the affect that was measured, a pair of numbers a piece.

Each function is NaN where it is undefined, as in `emsync.metrics`; all raise ValueError for numbers that are
not finite or sides of different shapes.

References:
    Lin, Biometrics 45 (1989). Spearman, American Journal of Psychology 15 (1904).
    Quadrants of valence and arousal: Russell, Journal of Personality and Social Psychology 39 (1980).
"""

from __future__ import annotations

import numpy as np
from scipy.stats import spearmanr

from emsync.types import Floats


def ccc(a: Floats, b: Floats) -> float:
    """Lin's concordance: 2 cov(a, b) / (var a + var b + (mean a - mean b)^2), in [-1, 1].

    1 only if a equals b: unlike a correlation, it sees a wrong scale and a wrong mean. 0 if one side is
    constant; NaN for no pair or if both sides are one constant. Moments are those of a population (1 / N).
    """
    _check_pairs(a, b)
    if not len(a):
        return np.nan
    covariance = np.mean((a - a.mean()) * (b - b.mean()))
    spread = a.var() + b.var() + (a.mean() - b.mean()) ** 2
    return float(2 * covariance / spread) if spread > 0 else np.nan


def spearman(a: Floats, b: Floats) -> float:
    """Correlation of the ranks, in [-1, 1]: 1 if b rises wherever a does, on any scale; ties share their rank.

    NaN for fewer than two pairs or if a side is constant.
    """
    _check_pairs(a, b)
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return np.nan
    return float(spearmanr(a, b).statistic)


def quadrant_accuracy(asked_v: Floats, asked_a: Floats, got_v: Floats, got_a: Floats) -> float:
    """Share of pieces that lie in the quadrant asked for: signs of valence and of arousal both agree.

    0.25 is chance if quadrants are asked for alike. A zero lies in no quadrant: a piece with one on either
    side is wrong, so leave out those for which no quadrant was asked. NaN without a piece.
    """
    for other in (asked_a, got_v, got_a):
        _check_pairs(asked_v, other)
    if not len(asked_v):
        return np.nan
    return float(np.mean((asked_v * got_v > 0) & (asked_a * got_a > 0)))


def _check_pairs(a: Floats, b: Floats) -> None:
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(f"sides must be of one shape (N,), got {a.shape} and {b.shape}")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("both sides must be finite numbers")
