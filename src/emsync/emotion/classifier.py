"""Emotion of every shot, from frames and patches of sound that pass by once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emsync.emotion.features import FeatureExtractor
from emsync.emotion.features.image import IMAGE_SIZE, ImageFeatures, has_picture
from emsync.emotion.features.sound import SoundFeatures, has_sound
from emsync.emotion.head import EMOTION_HEAD, EmotionHead, Mask, SenseReading, ShotFeatures
from emsync.errors import WeightsError
from emsync.types import (
    SOUND_PATCH_SAMPLES,
    SOUND_RATE_HZ,
    EmotionProbabilities,
    Floats,
    SampledFrame,
    Shot,
    ShotEmotion,
    SoundPatch,
)
from emsync.weights import ASSETS, REINSTALL, load_weights

BATCH_PIECES = 8
"""Frames or patches that wait for a network together: 1.2 MB of frames, 0.5 MB of sound."""

FRAME_SHAPE = (IMAGE_SIZE, IMAGE_SIZE, 3)
HALF_PATCH_S = SOUND_PATCH_SAMPLES / SOUND_RATE_HZ / 2

Frames = NDArray[np.uint8]
Patches = NDArray[np.float32]


class EmotionClassifier:
    """Watches frames and hears patches one by one, keeps their features (2.5 and 2 kB each), then speaks of shots.

    A frame that shows nothing (black, white, a plain fade) is passed over, and so is a patch of silence.
    """

    def __init__(
        self, image: FeatureExtractor[Frames], sound: FeatureExtractor[Patches], head: EmotionHead
    ) -> None:
        _check_fit(image, head.image)
        _check_fit(sound, head.sound)
        self._head = head
        self._seen = _Sense(image, FRAME_SHAPE, np.uint8)
        self._heard = _Sense(sound, (SOUND_PATCH_SAMPLES,), np.float32)

    @classmethod
    def load(cls, threads: int = 0, folder: Path = ASSETS) -> EmotionClassifier:
        """The classifier with its shipped weights; `threads` 0 means one for each core.

        Raises: WeightsError if weights are missing or altered.
        """
        head = EmotionHead.from_json(load_weights(EMOTION_HEAD, folder))
        return cls(ImageFeatures.load(threads, folder), SoundFeatures.load(threads, folder), head)

    def accept(self, frame: SampledFrame) -> None:
        """Take in one frame; nothing of it is kept but its features.

        Raises: ValueError if the frame is not uint8 (224, 224, 3) or its time not finite.
        """
        _check_piece("frame", frame.time_s, frame.rgb, FRAME_SHAPE, np.uint8)
        if has_picture(frame.rgb):
            self._seen.add(frame.time_s, frame.rgb)

    def accept_sound(self, patch: SoundPatch) -> None:
        """Take in one patch of sound; nothing of it is kept but its features.

        Raises: ValueError if the patch is not float32 (15600,) or its time not finite.
        """
        _check_piece("patch", patch.time_s, patch.samples, (SOUND_PATCH_SAMPLES,), np.float32)
        if has_sound(patch.samples):
            self._heard.add(patch.time_s, patch.samples)

    def classify(self, shots: Sequence[Shot]) -> tuple[ShotEmotion, ...]:
        """What is felt in each shot, from the mean features of the frames and patches inside it.

        A shot without a frame takes the frame nearest to its middle, however far. A shot without a patch
        takes the one that covers its middle, if that is not silent. Without frame and patch every category
        is equally likely, and valence and arousal are 0.
        """
        if not shots:
            return ()
        image, is_seen = self._seen.of_shots(shots, reach_s=math.inf)
        sound, is_heard = self._heard.of_shots(shots, reach_s=HALF_PATCH_S)
        features = ShotFeatures(image, sound, is_seen, is_heard)
        probabilities, affect = self._head.probabilities(features), self._head.affect(features)
        if not (np.isfinite(probabilities).all() and np.isfinite(affect).all()):
            raise WeightsError(f"The emotion probabilities are not finite. {REINSTALL}")
        return tuple(
            ShotEmotion(
                shot,
                EmotionProbabilities(tuple(float(value) for value in probabilities[index])),
                valence=float(affect[index, 0]),
                arousal=float(affect[index, 1]),
                senses=_senses(image=bool(is_seen[index]), sound=bool(is_heard[index])),
            )
            for index, shot in enumerate(shots)
        )


class _Sense:
    """Features of the pieces (frames or patches) of one sense, and the time of each."""

    def __init__(
        self, features: FeatureExtractor[Any], shape: tuple[int, ...], dtype: type[np.generic]
    ) -> None:
        self._features = features
        self._times_s: list[float] = []
        self._batch = np.empty((BATCH_PIECES, *shape), dtype=dtype)
        self._waiting = 0
        self._kept: list[NDArray[np.float16]] = []

    def add(self, time_s: float, piece: NDArray[Any]) -> None:
        """Take a copy of one piece; eight go through the network together."""
        self._times_s.append(time_s)
        self._batch[self._waiting] = piece
        self._waiting += 1
        if self._waiting == BATCH_PIECES:
            self._extract_waiting()

    def of_shots(self, shots: Sequence[Shot], *, reach_s: float) -> tuple[NDArray[np.float32], Mask]:
        """Mean features of every shot, shape (N, D), and whether there are any, shape (N,).

        Args:
            reach_s: how far from its middle a shot without a piece inside may find one.
        """
        self._extract_waiting()
        means = np.zeros((len(shots), self._features.dimension), dtype=np.float32)
        is_known = np.zeros(len(shots), dtype=np.bool_)
        if not self._times_s:
            return means, is_known
        order = np.argsort(self._times_s, kind="stable")
        times_s, features = np.array(self._times_s)[order], np.concatenate(self._kept)[order]
        for index, shot in enumerate(shots):
            pieces = _pieces_of(shot, times_s, reach_s)
            if pieces is not None:
                means[index] = features[pieces].mean(axis=0, dtype=np.float32)
                is_known[index] = True
        return means, is_known

    def _extract_waiting(self) -> None:
        if self._waiting:
            self._kept.append(self._features.extract(self._batch[: self._waiting]).astype(np.float16))
            self._waiting = 0


def _pieces_of(shot: Shot, times_s: Floats, reach_s: float) -> slice | None:
    """Which pieces speak for a shot; `times_s` is sorted and not empty."""
    first, past_last = np.searchsorted(times_s, [shot.start_s, shot.end_s], side="left")
    if past_last > first:
        return slice(int(first), int(past_last))
    distances_s = np.abs(times_s - (shot.start_s + shot.end_s) / 2)
    nearest = int(distances_s.argmin())
    return slice(nearest, nearest + 1) if distances_s[nearest] <= reach_s else None


def _senses(*, image: bool, sound: bool) -> tuple[str, ...]:
    return ("image",) * image + ("sound",) * sound


def _check_fit(features: FeatureExtractor[Any], reading: SenseReading) -> None:
    if (features.name, features.dimension) != (reading.feature_name, reading.dimension):
        raise WeightsError(
            f"The emotion head was fitted to {reading.feature_name} ({reading.dimension} numbers), "
            f"not to {features.name} ({features.dimension}). {REINSTALL}"
        )


def _check_piece(
    what: str, time_s: float, values: NDArray[Any], shape: tuple[int, ...], dtype: type[np.generic]
) -> None:
    if values.shape != shape or values.dtype != dtype:
        raise ValueError(f"a {np.dtype(dtype)} {what} {shape} expected, got {values.dtype} {values.shape}")
    if not math.isfinite(time_s):
        raise ValueError(f"the time of a {what} must be finite, got {time_s}")
