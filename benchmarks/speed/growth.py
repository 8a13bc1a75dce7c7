"""How a cost grows with the length of a film: a fixed part and a part for each minute, and whether it is linear."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Growth:
    """A straight line through a cost, fitted to relative errors, and the slope of its logarithm.

    `exponent` is the slope of log cost over log length: 1 for a cost that is proportional, less with a fixed part.
    `exponent_beyond_fixed` is that slope without the fixed part: 1 for a cost that is linear, 2 for a quadratic one.
    """

    fixed: float
    per_minute: float
    exponent: float
    exponent_beyond_fixed: float


def growth(lengths_s: Sequence[float], costs: Sequence[float]) -> Growth:
    """Fit a cost to lengths, at least two different ones.

    The fixed part is read off the two shortest films, so that a cost that bends upwards later is not hidden in it.
    """
    minutes, values = np.array(lengths_s) / 60, np.array(costs, float)
    order = np.argsort(minutes)
    minutes, values = minutes[order], values[order]
    slope = (values[1] - values[0]) / (minutes[1] - minutes[0])
    fixed = max(0.0, float(values[0] - slope * minutes[0]))
    rows = np.stack([np.ones_like(minutes), minutes], axis=1) / values[:, None]
    line = np.linalg.lstsq(rows, np.ones_like(values), rcond=None)[0]
    return Growth(float(line[0]), float(line[1]), _slope(minutes, values), _slope(minutes, values - fixed))


def _slope(minutes: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    return float(np.polyfit(np.log(minutes), np.log(np.maximum(values, 1e-9)), 1)[0])
