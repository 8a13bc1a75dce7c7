"""PySceneDetect's detectors behind our contract: frames come from our decode pass, times are exact.

PySceneDetect counts frames here, and its own minimum scene length is switched off: times come from
timestamps and `emsync.video.cuts.CutFilter` keeps the distance. It is given no store of scores: how strong a cut is,
is worked out here where there is one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from fractions import Fraction
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scenedetect.common import FrameTimecode
from scenedetect.detector import SceneDetector

from emsync.types import Cut
from emsync.video.pictures import Picture

_COUNTING_RATE = Fraction(25)
"""PySceneDetect wants a rate beside a frame number; it enters no decision."""

Strength: TypeAlias = Callable[[NDArray[np.uint8], NDArray[np.uint8]], float]
"""How strong a cut is, in [0, 1], from the BGR thumbnails before and after it."""


class SceneDetectBridge:
    """One PySceneDetect detector watching one video."""

    def __init__(self, name: str, detector: SceneDetector, *, strength: Strength) -> None:
        self._name = name
        self._detector = detector
        self._strength = strength
        self._recent: deque[Picture] = deque(maxlen=self.lag_frames + 2)
        self._frame_count = 0

    @property
    def name(self) -> str:
        """The word that chooses this detector."""
        return self._name

    @property
    def lag_frames(self) -> int:
        """How many later frames the detector waits for."""
        return int(self._detector.event_buffer_length)

    def watch(self, picture: Picture) -> tuple[Cut, ...]:
        """See the next frame; return the cuts now certain."""
        self._recent.append(picture)
        timecode = FrameTimecode(self._frame_count, _COUNTING_RATE)
        self._frame_count += 1
        cut_timecodes = self._detector.process_frame(timecode, picture.small)
        return tuple(self._cut_at(found.frame_num) for found in cut_timecodes)

    def finish(self) -> tuple[Cut, ...]:
        """None: the detectors used here hold nothing back but a window that the end leaves incomplete."""
        return ()

    def _cut_at(self, frame_number: int) -> Cut:
        place = frame_number - self._frame_count
        before, after = self._recent[place - 1], self._recent[place]
        return Cut(time_s=after.time_s, strength=self._strength(before.small, after.small))
