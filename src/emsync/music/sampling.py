"""From logits to a token: pure functions of logits and a Generator.

Source of nucleus sampling: Holtzman et al. 2020. The rising temperature is the rule of the paper's demo
(arXiv:2502.10154, configuration).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from emsync.types import Floats

FEW_CANDIDATES = 2


def probabilities(logits: NDArray[np.float32], allowed: NDArray[np.bool_], *, temperature: float) -> Floats:
    """Softmax over the allowed tokens; 0 elsewhere.

    Args:
        logits: shape (V,).
        allowed: shape (V,), at least one True.
        temperature: above 0; 1 leaves the model's distribution as it is.
    Returns: shape (V,), summing to 1.
    Raises: ValueError if no token is allowed, a logit is not finite or the temperature is not above 0.

    >>> probabilities(np.zeros(4, np.float32), np.array([True, False, True, False]), temperature=1.0).tolist()
    [0.5, 0.0, 0.5, 0.0]
    """
    if not allowed.any():
        raise ValueError("no token is allowed")
    if not temperature > 0:
        raise ValueError(f"temperature must be above 0, not {temperature}")
    if not np.isfinite(logits).all():
        raise ValueError("the model gave a logit that is not finite")
    places = np.flatnonzero(allowed)
    scaled = logits[places].astype(np.float64) / temperature
    weights = np.exp(scaled - scaled.max())
    distribution = np.zeros(len(logits))
    distribution[places] = weights / weights.sum()
    return distribution


def nucleus(distribution: Floats, top_p: float) -> NDArray[np.int64]:
    """The fewest most likely tokens that together hold at least `top_p`, most likely first.

    Raises: ValueError if `top_p` is outside (0, 1].

    >>> nucleus(np.array([0.1, 0.6, 0.3]), 0.8).tolist()
    [1, 2]
    """
    if not 0 < top_p <= 1:
        raise ValueError(f"top-p must lie in (0, 1], not {top_p}")
    # All that are less likely than this have less than 1 - top_p together: they need not be sorted.
    possible = np.flatnonzero(distribution > (1 - top_p) / len(distribution))
    order = possible[np.argsort(-distribution[possible], kind="stable")]
    held = np.cumsum(distribution[order])
    size = int(np.searchsorted(held, top_p - 1e-12)) + 1
    return order[:size]


def draw(distribution: Floats, candidates: NDArray[np.int64], rng: np.random.Generator) -> int:
    """One of the candidates, by their share of the distribution; one random number is used."""
    held = np.cumsum(distribution[candidates])
    place = int(np.searchsorted(held, rng.random() * held[-1], side="right"))
    return int(candidates[min(place, len(candidates) - 1)])


def risen_temperature(temperature: float, narrow_steps: int) -> float:
    """The temperature after `narrow_steps` nuclei in a row of at most two candidates (the paper's loop breaker).

    >>> risen_temperature(1.0, 3), round(risen_temperature(1.0, 7), 3)
    (1.0, 1.277)
    """
    return temperature * (1 + 0.4 * max(0.0, math.log((narrow_steps + 1) / 4)))


def surprise_nats(logits: NDArray[np.float32], token: int) -> float:
    """-log p(token) under logits of shape (V,) with nothing masked or bent.

    >>> round(surprise_nats(np.zeros(4, np.float32), 2), 4)
    1.3863
    """
    highest = float(logits.max())
    return float(np.log(np.exp(logits - highest).sum(dtype=np.float64))) + highest - float(logits[token])
