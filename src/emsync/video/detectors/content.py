"""A fixed threshold on the change of hue, saturation and brightness: PySceneDetect's content detector.

Written anew, since PySceneDetect takes 0.25 s to import and six times as long a frame; a test holds the two equal.
Source: PySceneDetect, `ContentDetector`, its default threshold (27 of 255).
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from emsync.types import Cut
from emsync.video.pictures import Picture

THRESHOLD_LEVELS = 27.0
STRENGTH_SCALE = 40.0
WHOLE_CHANGE_LEVELS = 255.0
"""The change to a picture of another size."""


def content_strength(score: float) -> float:
    """Strength of a mean HSV change in 8-bit levels: 1 - exp(-score / 40), so 27 is 0.49 and 100 is 0.92.

    It never saturates, so that the stronger of two strong cuts is always known.
    """
    return 1 - math.exp(-score / STRENGTH_SCALE)


class HsvChange:
    """How much each thumbnail differs from the one before it."""

    def __init__(self) -> None:
        self._last: NDArray[np.uint8] | None = None

    def to(self, small: NDArray[np.uint8]) -> float:
        """Mean absolute change of hue, saturation and brightness, in 8-bit levels; 0 for the first thumbnail."""
        hsv = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2HSV), np.uint8)
        last, self._last = self._last, hsv
        if last is None:
            return 0.0
        if last.shape != hsv.shape:
            return WHOLE_CHANGE_LEVELS
        pixels = hsv.shape[0] * hsv.shape[1]
        hue, saturation, brightness, _ = cv2.sumElems(cv2.absdiff(hsv, last))
        return float((hue / pixels + saturation / pixels + brightness / pixels) / 3)


class ContentDetector:
    """Compares every thumbnail with the one before it."""

    name = "content"
    lag_frames = 0

    def __init__(self) -> None:
        self._change = HsvChange()

    def watch(self, picture: Picture) -> tuple[Cut, ...]:
        """See the next frame; return a cut at its own time if it changed enough."""
        score = self._change.to(picture.small)
        return (Cut(picture.time_s, content_strength(score)),) if score >= THRESHOLD_LEVELS else ()

    def finish(self) -> tuple[Cut, ...]:
        """None: every frame is judged at once."""
        return ()


def make_detector() -> ContentDetector:
    """A fresh detector."""
    return ContentDetector()
