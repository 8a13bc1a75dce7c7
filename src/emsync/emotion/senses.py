"""The senses of the classifier, by name: what each takes of a film, and the one list of them all.

A *learned* sense has features that a head was fitted to. A *naming* sense (`pool.NAMING_SHARES`) has features
that are themselves a distribution over `emsync.types.NAMED`. To add one, write a `Sense` and enter it in `SENSES`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emsync.emotion.features import FeatureExtractor
from emsync.emotion.features.image import IMAGE_SIZE, ImageFeatures, has_picture
from emsync.emotion.features.sound import SoundFeatures, has_sound
from emsync.emotion.moments import Moments
from emsync.types import NAMED, SOUND_PATCH_SAMPLES, SOUND_RATE_HZ, SampledFrame, SoundPatch

BATCH_PIECES = 8
"""Frames or patches that wait for a network together: 1.2 MB of frames, 0.5 MB of sound."""

FRAME_SHAPE = (IMAGE_SIZE, IMAGE_SIZE, 3)
PATCH_SHAPE = (SOUND_PATCH_SAMPLES,)
HALF_PATCH_S = SOUND_PATCH_SAMPLES / SOUND_RATE_HZ / 2


class Sense:
    """One sense at work on one film: takes what it can use, keeps features and their times, nothing else.

    A subclass takes frames, patches of sound, or both, and calls `keep`; frames come in order of time, then
    patches in order of time. `feature_name` says which weights spoke; a head is fitted to one name and
    refuses another. `reach_s` is how far from its middle a shot may find a moment if none lies inside it.
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


class ImageSense(BatchedSense):
    """What frames show; a frame that shows nothing (black, white, a plain fade) is passed over."""

    name = "image"
    reach_s = math.inf

    def __init__(self, features: FeatureExtractor[NDArray[np.uint8]]) -> None:
        super().__init__(features, FRAME_SHAPE, np.uint8)

    def accept_frame(self, frame: SampledFrame) -> None:
        """Take in a frame that shows anything."""
        if has_picture(frame.rgb):
            self.add(frame.time_s, frame.rgb)


class SoundSense(BatchedSense):
    """What patches sound like; silence is passed over."""

    name = "sound"
    reach_s = HALF_PATCH_S

    def __init__(self, features: FeatureExtractor[NDArray[np.float32]]) -> None:
        super().__init__(features, PATCH_SHAPE, np.float32)

    def accept_sound(self, patch: SoundPatch) -> None:
        """Take in a patch that can be heard."""
        if has_sound(patch.samples):
            self.add(patch.time_s, patch.samples)


@dataclass(frozen=True)
class SenseEntry:
    """How to put a sense to work: `load(threads, folder)` reads its weights, or gives None without its extra."""

    name: str
    load: Callable[[int, Path], Sense | None]


SENSES = (
    SenseEntry("image", lambda threads, folder: ImageSense(ImageFeatures.load(threads, folder))),
    SenseEntry("sound", lambda threads, folder: SoundSense(SoundFeatures.load(threads, folder))),
)
"""Every sense, in the order in which a shot lists those that spoke."""


def load_senses(threads: int, folder: Path, names: Collection[str] | None = None) -> list[Sense]:
    """All senses that can work here, or those of these names.

    Raises: WeightsError if weights are missing or altered.
    """
    loaded = (entry.load(threads, folder) for entry in SENSES if names is None or entry.name in names)
    return [sense for sense in loaded if sense is not None]
