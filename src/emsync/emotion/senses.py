"""The senses of the classifier, by name: what each takes of a film, and the one list of them all.

A *learned* sense has features that a head was fitted to. A *naming* sense (`pool.NAMING_SHARES`) has features
that are themselves a distribution over `emsync.types.NAMED`. To add one, write a `Sense` and enter it in `SENSES`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emsync.emotion.features import FeatureExtractor
from emsync.emotion.features.craft import CRAFT_NAME, MEASURES, CraftMeter
from emsync.emotion.features.faces import FACES_NAME, FaceReader
from emsync.emotion.features.image import IMAGE_SIZE, ImageFeatures, has_picture
from emsync.emotion.features.sound import SoundFeatures, has_sound
from emsync.emotion.moments import Moments
from emsync.emotion.sense import BatchedSense, NamingSense, Sense
from emsync.types import SOUND_PATCH_SAMPLES, SOUND_RATE_HZ, SampledFrame, SoundPatch

FRAME_SHAPE = (IMAGE_SIZE, IMAGE_SIZE, 3)
PATCH_SHAPE = (SOUND_PATCH_SAMPLES,)
HALF_PATCH_S = SOUND_PATCH_SAMPLES / SOUND_RATE_HZ / 2


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


class CraftSense(Sense):
    """Light, colour and pace of frames; one that shows nothing is passed over, and so is a film of one frame."""

    name, feature_name, dimension = "craft", CRAFT_NAME, len(MEASURES)
    reach_s = 2.0

    def __init__(self) -> None:
        super().__init__()
        self._meter = CraftMeter()

    def accept_frame(self, frame: SampledFrame) -> None:
        """Take in a frame that shows anything; frames come in order of time."""
        if has_picture(frame.rgb):
            self._meter.add(frame.time_s, frame.rgb)

    def forget(self) -> None:
        """Begin another film."""
        super().forget()
        self._meter = CraftMeter()

    def moments(self) -> Moments:
        """The seven measures at every frame."""
        meter = self._meter if len(self._meter) > 1 else CraftMeter()
        times_s, values = meter.over_time()
        return Moments(times_s, values.astype(np.float16))


class FacesSense(NamingSense):
    """What the faces in frames express; a frame without a face is passed over."""

    name, feature_name = "faces", FACES_NAME

    def __init__(self, reader: FaceReader) -> None:
        super().__init__()
        self._reader = reader

    def accept_frame(self, frame: SampledFrame) -> None:
        """Take in a frame in which a face is found."""
        if has_picture(frame.rgb):
            named = self._reader.read(frame.rgb, frame.aspect)
            if named is not None:
                self.keep(frame.time_s, named)


@dataclass(frozen=True)
class SenseEntry:
    """How to put a sense to work: `load(threads, folder)` reads its weights, or gives None without its extra."""

    name: str
    load: Callable[[int, Path], Sense | None]


SENSES = (
    SenseEntry("image", lambda threads, folder: ImageSense(ImageFeatures.load(threads, folder))),
    SenseEntry("sound", lambda threads, folder: SoundSense(SoundFeatures.load(threads, folder))),
    SenseEntry("craft", lambda threads, folder: CraftSense()),
    SenseEntry("faces", lambda threads, folder: FacesSense(FaceReader.load(threads, folder))),
)
"""Every sense, in the order in which a shot lists those that spoke."""


def load_senses(threads: int, folder: Path, names: Collection[str] | None = None) -> list[Sense]:
    """All senses that can work here, or those of these names.

    Raises: WeightsError if weights are missing or altered.
    """
    loaded = (entry.load(threads, folder) for entry in SENSES if names is None or entry.name in names)
    return [sense for sense in loaded if sense is not None]
