"""What several senses say together: a log-linear pool over those that spoke, and shares of those that name.

Sources: Genest & Zidek 1986, Combining probability distributions, Statistical Science 1 (logarithmic pool);
Hinton 2002, Training products of experts by minimizing contrastive divergence (opinions that err apart).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from emsync.emotion.affect import RATED
from emsync.emotion.moments import Array, Mask, SenseFeatures
from emsync.types import EMOTIONS, Floats

NAMING_SHARES: Mapping[str, float] = {"faces": 0.2, "speech": 0.2, "screen_text": 0.1}
"""Senses whose features are a distribution over `NAMED`, and the share of the outcome that each takes where it
spoke beside the rest. Chosen, not fitted: none of them was heard or seen often enough in labelled film."""


def softmax(logits: Array) -> Floats:
    """Exponentials over their sum along the last axis."""
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True), dtype=np.float64)


def logarithm(probabilities: Floats) -> Floats:
    """Natural logarithm, at least log(1e-12): nothing is ruled out for good."""
    return np.asarray(np.log(np.maximum(probabilities, 1e-12)))


def log_pool(
    probabilities: Mapping[str, Floats],
    is_known: Mapping[str, Mask],
    *,
    weights: Mapping[str, float],
    temperature: float,
) -> Floats:
    """What the senses that spoke say together: p ~ exp(sum_s w_s log p_s / T), w renormalised over them.

    T below 1 says that the senses err apart: where they agree, together they are surer than each alone. It
    counts in full only where all spoke. In between it is T^(d / d_all), d = 1 - sum_s w_s^2 being how far the
    weights are from one sense alone: a sense that speaks alone is passed on as it is (d = 0, so T = 1).

    Args:
        probabilities: shape (N, C) for each sense; rows of senses that did not speak are never looked at.
        is_known: shape (N,) for each sense.
        weights: one for each sense, >= 0.
    Returns: shape (N, C); uniform where no sense spoke.
    """
    names = tuple(probabilities)
    known = np.stack([is_known[name] for name in names], axis=1)  # (N, S)
    shares = known * (np.array([weights[name] for name in names]) + 1e-9)  # a weight of 0 may speak alone
    totals = shares.sum(axis=1, keepdims=True)
    shares = np.divide(shares, totals, out=np.zeros_like(shares), where=totals > 0)
    logs = np.zeros_like(probabilities[names[0]])
    for index, name in enumerate(names):
        spoke = is_known[name]
        logs[spoke] += shares[spoke, index, None] * logarithm(probabilities[name][spoke])
    return softmax(logs / temperature ** _diversity(shares, weights)[:, None])


def _diversity(shares: Floats, weights: Mapping[str, float]) -> Floats:
    """How far the senses that spoke are from one alone, against all of them: 0 to 1, shape (N,)."""
    every = np.array(list(weights.values())) / sum(weights.values())
    most = 1 - (every**2).sum()
    if most < 1e-6:
        return np.zeros(len(shares))
    return np.asarray(np.clip((1 - (shares**2).sum(axis=1)) / most, 0, 1))


def share_out(outcome: Array, is_known: Mask, named: Mapping[str, tuple[Array, Mask]]) -> Floats:
    """An outcome mixed with that of the senses which name emotions themselves.

    A sense of share s weighs s / (1 - s) against 1 for the rest, so it takes s where it is the only one that
    names, and all of it where nothing else is known.

    Args:
        outcome: what the other senses say, shape (N, K), and where they know anything, `is_known` (N,).
        named: by sense, its own outcome (N, K) and where it spoke (N,).
    Returns: shape (N, K); `outcome` itself where no sense named anything.
    """
    values, totals = np.array(outcome, np.float64), np.ones(len(outcome))
    spoke_any = np.zeros(len(outcome), np.bool_)
    for name, (own, spoke) in named.items():
        odds = NAMING_SHARES[name] / (1 - NAMING_SHARES[name])
        silent_so_far = spoke & ~is_known & ~spoke_any
        values[silent_so_far], totals[silent_so_far] = 0, 0
        values[spoke] += odds * own[spoke]
        totals[spoke] += odds
        spoke_any |= spoke
    return np.asarray(values / totals[:, None])


def emotions_named(named: SenseFeatures) -> Floats:
    """Probabilities over `EMOTIONS` of distributions over `NAMED`, shape (N, 6): neutral is spread evenly."""
    values = np.asarray(named.values, np.float64)
    return np.asarray(values[:, :-1] + values[:, -1:] / len(EMOTIONS))


def affect_named(named: SenseFeatures) -> Floats:
    """Valence and arousal of distributions over `NAMED`, shape (N, 2): Russell & Mehrabian's means, neutral 0, 0."""
    return np.asarray(np.asarray(named.values, np.float64)[:, :-1] @ RATED.means)
