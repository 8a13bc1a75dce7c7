"""How far the next scene cut is, for every token (arXiv:2502.10154, boundary offsets)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emsync.types import Floats


def boundary_offsets(token_times_s: Floats, boundaries_s: Floats, *, horizon_s: float = 8.0) -> Floats:
    """Seconds from each token to the next boundary, clipped to the horizon.

    Args:
        token_times_s: token onsets, shape (T,).
        boundaries_s: strictly increasing, shape (N,); N may be 0.
        horizon_s: largest offset seen in training.
    Returns: shape (T,), in [0, horizon_s]; 0 for a token on a boundary.
    Raises: ValueError if `boundaries_s` is not strictly increasing.
    Source: arXiv:2502.10154, boundary offsets.

    >>> boundary_offsets(np.array([0.0, 2.0, 5.0]), np.array([2.0, 4.0])).tolist()
    [2.0, 0.0, 8.0]
    """
    if np.any(np.diff(boundaries_s) <= 0):
        raise ValueError("boundaries must be strictly increasing in time")
    following = np.searchsorted(boundaries_s, token_times_s, side="left")
    padded = np.append(boundaries_s, np.inf)
    return np.clip(padded[following] - token_times_s, 0.0, horizon_s)


def answered_offsets(
    token_times_s: Floats, answers_s: Floats, answer_positions: NDArray[np.intp], *, horizon_s: float = 8.0
) -> Floats:
    """Boundary offsets in a training piece, where its own CHORD tokens play the role of scene cuts.

    A token sees the next CHORD that comes after it in the sequence, so the CHORD itself already looks ahead
    to the following one, as at inference, where a CHORD retires its boundary.

    Args:
        token_times_s: times after each token, shape (T,).
        answers_s: times of the CHORD tokens, shape (N,), increasing.
        answer_positions: their places in the sequence, shape (N,), strictly increasing.
    Returns: shape (T,), in [0, horizon_s]; the horizon where no CHORD follows.
    """
    following = np.searchsorted(answer_positions, np.arange(len(token_times_s)), side="right")
    padded = np.append(answers_s, np.inf)
    return np.clip(padded[following] - token_times_s, 0.0, horizon_s)
