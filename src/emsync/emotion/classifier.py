"""Emotion probabilities for every shot, from frames that pass by once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emsync.emotion.features import FeatureExtractor
from emsync.emotion.features.image import IMAGE_SIZE, ImageFeatures, has_picture
from emsync.emotion.head import EMOTION_HEAD, EmotionHead
from emsync.errors import WeightsError
from emsync.types import EMOTIONS, EmotionProbabilities, Floats, SampledFrame, Shot, ShotEmotion
from emsync.weights import ASSETS, REINSTALL, load_weights

BATCH_FRAMES = 8
"""Frames that wait for the network together: 1.2 MB."""

FRAME_SHAPE = (IMAGE_SIZE, IMAGE_SIZE, 3)
UNIFORM = EmotionProbabilities((1 / len(EMOTIONS),) * len(EMOTIONS))


class EmotionClassifier:
    """Watches frames one by one, keeps their features (2.5 kB a frame), then speaks of shots.

    A frame that shows nothing (black, white, a plain fade) is passed over.
    """

    def __init__(self, features: FeatureExtractor[NDArray[np.uint8]], head: EmotionHead) -> None:
        if (features.name, features.dimension) != (head.feature_name, head.dimension):
            raise WeightsError(
                f"The emotion head was fitted to {head.feature_name} ({head.dimension} numbers), "
                f"not to {features.name} ({features.dimension}). {REINSTALL}"
            )
        self._features = features
        self._head = head
        self._times_s: list[float] = []
        self._batch = np.empty((BATCH_FRAMES, *FRAME_SHAPE), dtype=np.uint8)
        self._waiting = 0
        self._kept: list[NDArray[np.float16]] = []

    @classmethod
    def load(cls, threads: int = 0, folder: Path = ASSETS) -> EmotionClassifier:
        """The classifier with its shipped weights; `threads` 0 means one for each core.

        Raises: WeightsError if weights are missing or altered.
        """
        head = EmotionHead.from_json(load_weights(EMOTION_HEAD, folder))
        return cls(ImageFeatures.load(threads, folder), head)

    def accept(self, frame: SampledFrame) -> None:
        """Take in one frame; nothing of it is kept but its features.

        Raises: ValueError if the frame is not uint8 (224, 224, 3) or its time not finite.
        """
        if frame.rgb.shape != FRAME_SHAPE or frame.rgb.dtype != np.uint8:
            raise ValueError(f"a uint8 frame {FRAME_SHAPE} expected, got {frame.rgb.dtype} {frame.rgb.shape}")
        if not math.isfinite(frame.time_s):
            raise ValueError(f"the time of a frame must be finite, got {frame.time_s}")
        if not has_picture(frame.rgb):
            return
        self._times_s.append(frame.time_s)
        self._batch[self._waiting] = frame.rgb
        self._waiting += 1
        if self._waiting == BATCH_FRAMES:
            self._extract_waiting()

    def classify(self, shots: Sequence[Shot]) -> tuple[ShotEmotion, ...]:
        """Probabilities for each shot, from the mean features of the frames inside it.

        A shot without a frame takes the frame nearest to its middle; without any frame at all every
        category is equally likely.
        """
        self._extract_waiting()
        if not shots:
            return ()
        if not self._times_s:
            return tuple(ShotEmotion(shot, UNIFORM) for shot in shots)
        probabilities = self._head.probabilities(self._shot_features(shots))
        return tuple(
            ShotEmotion(shot, _probabilities(row)) for shot, row in zip(shots, probabilities, strict=True)
        )

    def _extract_waiting(self) -> None:
        if self._waiting:
            self._kept.append(self._features.extract(self._batch[: self._waiting]).astype(np.float16))
            self._waiting = 0

    def _shot_features(self, shots: Sequence[Shot]) -> NDArray[np.float32]:
        """Mean features of every shot, shape (N, D)."""
        order = np.argsort(self._times_s, kind="stable")
        times_s = np.array(self._times_s)[order]
        features = np.concatenate(self._kept)[order]
        means = np.empty((len(shots), features.shape[1]), dtype=np.float32)
        for index, shot in enumerate(shots):
            means[index] = features[_frames_of(shot, times_s)].mean(axis=0, dtype=np.float32)
        return means


def _frames_of(shot: Shot, times_s: Floats) -> slice:
    """Which frames speak for a shot; `times_s` is sorted and not empty."""
    first, past_last = np.searchsorted(times_s, [shot.start_s, shot.end_s], side="left")
    if past_last > first:
        return slice(int(first), int(past_last))
    nearest = int(np.abs(times_s - (shot.start_s + shot.end_s) / 2).argmin())
    return slice(nearest, nearest + 1)


def _probabilities(row: Floats) -> EmotionProbabilities:
    if not np.isfinite(row).all():
        raise WeightsError(f"The emotion probabilities are not finite. {REINSTALL}")
    return EmotionProbabilities(tuple(float(value) for value in row))
