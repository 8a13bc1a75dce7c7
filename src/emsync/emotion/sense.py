"""What a sense is: something that takes in a film piece by piece and keeps features with their times."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from emsync.emotion.features import FeatureExtractor
from emsync.emotion.moments import Moments
from emsync.types import NAMED, SampledFrame, SoundPatch

BATCH_PIECES = 8
"""Frames or patches that wait for a network together: 1.2 MB of frames, 0.5 MB of sound."""


class Sense:
    """One sense at work on one film: takes what it can use, keeps features and their times, nothing else.

    A subclass takes frames or patches of sound, in order of time, and calls `keep`. It never takes both: frames
    and patches come from two threads at once. `feature_name` says which weights spoke; a head is fitted to one
    name and refuses another. `reach_s` is how far from its middle a shot may find a moment if none lies inside it.
    """

    name: str
    feature_name: str
    dimension: int
    reach_s: float = 0.0

    def __init__(self) -> None:
        self._times_s: list[float] = []
        self._kept: list[NDArray[np.float16]] = []

    def accept_frame(self, frame: SampledFrame) -> None:
        """Take in one frame; most senses pass it over."""

    def accept_sound(self, patch: SoundPatch) -> None:
        """Take in one patch of sound; most senses pass it over."""

    def finish(self) -> None:
        """The film ended, for now: keep what still waits. May be called again."""

    def keep(self, time_s: float, features: NDArray[Any]) -> None:
        """Keep the features (D,) of one moment."""
        self._times_s.append(time_s)
        self._kept.append(np.asarray(features, np.float16))

    def forget(self) -> None:
        """Begin another film."""
        self._times_s.clear()
        self._kept.clear()

    def moments(self) -> Moments:
        """All that was kept, in order of time."""
        self.finish()
        kept = np.array(self._kept, np.float16).reshape(len(self._kept), self.dimension)
        self._kept = list(kept)  # its rows: the features of an hour, 9 MB, are not held twice
        return Moments.in_order(self._times_s, kept)


class NamingSense(Sense):
    """A sense whose features are probabilities over `NAMED`."""

    dimension = len(NAMED)


class BatchedSense(Sense):
    """A sense whose pieces go through a network eight at a time."""

    def __init__(
        self, features: FeatureExtractor[Any], shape: tuple[int, ...], dtype: type[np.generic]
    ) -> None:
        super().__init__()
        self.feature_name, self.dimension = features.name, features.dimension
        self._features = features
        self._batch = np.empty((BATCH_PIECES, *shape), dtype=dtype)
        self._waiting_s: list[float] = []

    def add(self, time_s: float, piece: NDArray[Any]) -> None:
        """Take a copy of one piece."""
        self._batch[len(self._waiting_s)] = piece
        self._waiting_s.append(time_s)
        if len(self._waiting_s) == BATCH_PIECES:
            self.finish()

    def finish(self) -> None:
        """Run what waits through the network."""
        if self._waiting_s:
            features = self._features.extract(self._batch[: len(self._waiting_s)])
            for time_s, row in zip(self._waiting_s, features, strict=True):
                self.keep(time_s, row)
            self._waiting_s.clear()

    def forget(self) -> None:
        """Begin another film."""
        super().forget()
        self._waiting_s.clear()
