"""Features of one sense, each with its time, and what they come to over shots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from emsync.types import Floats, Shot

Array = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class SenseFeatures:
    """Mean features of one sense over N shots: `values` (N, D).

    `is_known`, shape (N,), says which rows mean something; the others may hold anything.
    """

    values: Array
    is_known: Mask


ShotFeatures: TypeAlias = Mapping[str, SenseFeatures]
"""What each sense, by name, says of the same N shots. A sense that is not there is nowhere known."""


@dataclass(frozen=True)
class Moments:
    """When a sense spoke, `times_s` (M,), not decreasing, and what its features were, `values` (M, D)."""

    times_s: Floats
    values: Array

    @classmethod
    def in_order(cls, times_s: Sequence[float] | Floats, values: Array) -> Moments:
        """Moments given in any order; values that are in order are not copied, of an hour they are 9 MB."""
        times = np.asarray(times_s, np.float64)
        if (times[1:] >= times[:-1]).all():
            return cls(times, values)
        order = np.argsort(times, kind="stable")
        return cls(times[order], values[order])

    def of_shots(self, shots: Sequence[Shot], *, reach_s: float) -> SenseFeatures:
        """Mean features of every shot.

        Args:
            reach_s: how far from its middle a shot without a moment inside may find one.
        """
        means = np.zeros((len(shots), self.values.shape[1]), dtype=np.float32)
        is_known = np.zeros(len(shots), dtype=np.bool_)
        for index, shot in enumerate(shots):
            inside = self._of_shot(shot, reach_s)
            if inside is not None:
                means[index] = self.values[inside].mean(axis=0, dtype=np.float32)
                is_known[index] = True
        return SenseFeatures(means, is_known)

    def _of_shot(self, shot: Shot, reach_s: float) -> slice | None:
        """Which moments speak for a shot: those inside it, or else the nearest to its middle within reach."""
        first, past_last = np.searchsorted(self.times_s, [shot.start_s, shot.end_s], side="left")
        if past_last > first:
            return slice(int(first), int(past_last))
        middle_s = (shot.start_s + shot.end_s) / 2
        around = [moment for moment in (first - 1, first) if 0 <= moment < len(self.times_s)]
        if not around:
            return None
        nearest = int(min(around, key=lambda moment: abs(self.times_s[moment] - middle_s)))
        return slice(nearest, nearest + 1) if abs(self.times_s[nearest] - middle_s) <= reach_s else None
