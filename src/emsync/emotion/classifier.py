"""Emotion of every shot, from frames and patches of sound that pass by once."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emsync.emotion.features.screen_text import LARGE_HEIGHT, ScreenTextSense
from emsync.emotion.head import EMOTION_HEAD, EmotionHead
from emsync.emotion.moments import ShotFeatures
from emsync.emotion.optional_senses import load_chosen
from emsync.emotion.pool import NAMING_SHARES
from emsync.emotion.sense import Sense
from emsync.emotion.senses import FRAME_SHAPE, PATCH_SHAPE
from emsync.emotion.text_sense import TextSense
from emsync.errors import WeightsError
from emsync.options import SenseOptions
from emsync.types import EmotionProbabilities, SampledFrame, Shot, ShotEmotion, SoundPatch
from emsync.weights import ASSETS, REINSTALL, load_weights

IN_THE_BOX = SenseOptions()
SHOTS_AT_ONCE = 128
"""Shots that are judged together: their means and what the head makes of them take 30 kB each."""


class EmotionClassifier:
    """Hands frames and patches to the senses, which keep features of them (2.5 and 2 kB), then speaks of shots."""

    def __init__(self, senses: Sequence[Sense], head: EmotionHead) -> None:
        for sense in senses:
            _check_fit(sense, head)
        self._head = head
        self._senses = tuple(senses)

    @classmethod
    def load(
        cls, threads: int = 0, folder: Path = ASSETS, options: SenseOptions = IN_THE_BOX
    ) -> EmotionClassifier:
        """The classifier with its shipped weights; `threads` 0 means one for each core.

        Raises: WeightsError if weights are missing or altered, or a sense that was asked for lacks its extra;
            InputError if there is no such sense.
        """
        head = EmotionHead.from_json(load_weights(EMOTION_HEAD, folder))
        return cls(load_chosen(options, threads, folder), head)

    @property
    def large_height(self) -> int | None:
        """How high the large picture of a frame must be, None if no sense takes it."""
        reads = any(isinstance(sense, ScreenTextSense) for sense in self._senses)
        return LARGE_HEIGHT if reads else None

    def accept(self, frame: SampledFrame) -> None:
        """Take in one frame; nothing of it is kept but its features.

        Raises: ValueError if the frame is not uint8 (224, 224, 3) or its time not finite.
        """
        _check_piece("frame", frame.time_s, frame.rgb, FRAME_SHAPE, np.uint8)
        for sense in self._senses:
            sense.accept_frame(frame)

    def accept_sound(self, patch: SoundPatch) -> None:
        """Take in one patch of sound; nothing of it is kept but its features.

        Raises: ValueError if the patch is not float32 (15600,) or its time not finite.
        """
        _check_piece("patch", patch.time_s, patch.samples, PATCH_SHAPE, np.float32)
        for sense in self._senses:
            sense.accept_sound(patch)

    def classify(self, shots: Sequence[Shot]) -> tuple[ShotEmotion, ...]:
        """What is felt in each shot, from the mean features of what each sense took in inside it.

        A shot without a moment of a sense takes the nearest within that sense's reach: any frame, but only a
        patch that covers the shot's middle. Where no sense spoke every category is equally likely, and
        valence and arousal are 0.
        """
        moments = [(sense, sense.moments()) for sense in self._senses]
        felt: list[ShotEmotion] = []
        for first in range(0, len(shots), SHOTS_AT_ONCE):
            some = shots[first : first + SHOTS_AT_ONCE]
            of_senses = {one.name: heard.of_shots(some, reach_s=one.reach_s) for one, heard in moments}
            felt.extend(self._felt_in(some, of_senses))
        return tuple(felt)

    def _felt_in(self, shots: Sequence[Shot], features: ShotFeatures) -> Iterator[ShotEmotion]:
        probabilities, affect = self._head.probabilities(features), self._head.affect(features)
        if not (np.isfinite(probabilities).all() and np.isfinite(affect).all()):
            raise WeightsError(f"The emotion probabilities are not finite. {REINSTALL}")
        for index, shot in enumerate(shots):
            yield ShotEmotion(
                shot,
                EmotionProbabilities(tuple(float(value) for value in probabilities[index])),
                valence=float(affect[index, 0]),
                arousal=float(affect[index, 1]),
                senses=_spoke(features, index),
                **self._words_in(shot),
            )

    def _words_in(self, shot: Shot) -> dict[str, str]:
        """What the senses that read found in a shot, by sense."""
        return {sense.name: sense.text_in(shot) for sense in self._senses if isinstance(sense, TextSense)}


def _spoke(features: ShotFeatures, shot: int) -> tuple[str, ...]:
    return tuple(name for name, one in features.items() if one.is_known[shot])


def _check_fit(sense: Sense, head: EmotionHead) -> None:
    """A naming sense fits any head; of a learned one the head must hold a reading."""
    if sense.name in NAMING_SHARES:
        return
    if sense.name not in head.readings:
        raise WeightsError(f"The emotion head has no reading for the sense '{sense.name}'. {REINSTALL}")
    reading = head.readings[sense.name]
    if (sense.feature_name, sense.dimension) != (reading.feature_name, reading.dimension):
        raise WeightsError(
            f"The emotion head was fitted to {reading.feature_name} ({reading.dimension} numbers), "
            f"not to {sense.feature_name} ({sense.dimension}). {REINSTALL}"
        )


def _check_piece(
    what: str, time_s: float, values: NDArray[Any], shape: tuple[int, ...], dtype: type[np.generic]
) -> None:
    if values.shape != shape or values.dtype != dtype:
        raise ValueError(f"a {np.dtype(dtype)} {what} {shape} expected, got {values.dtype} {values.shape}")
    if not math.isfinite(time_s):
        raise ValueError(f"the time of a {what} must be finite, got {time_s}")
