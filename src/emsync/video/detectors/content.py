"""PySceneDetect's content detector: a fixed threshold on the change of hue, saturation and brightness.

Source: PySceneDetect, `ContentDetector`, its default threshold (27 of 255).
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray
from scenedetect.detectors import ContentDetector

from emsync.video.detectors.scenedetect_bridge import SceneDetectBridge

STRENGTH_SCALE = 40.0


def content_strength(score: float) -> float:
    """Strength of a mean HSV change in 8-bit levels: 1 - exp(-score / 40), so 27 is 0.49 and 100 is 0.92.

    It never saturates, so that the stronger of two strong cuts is always known.
    """
    return 1 - math.exp(-score / STRENGTH_SCALE)


def hsv_change(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> float:
    """The detector's score of a frame: mean absolute change of hue, saturation and brightness, in 8-bit levels."""
    first, second = (cv2.cvtColor(each, cv2.COLOR_BGR2HSV).astype(np.int32) for each in (before, after))
    changes = np.abs(first - second).sum(axis=(0, 1)) / (before.shape[0] * before.shape[1])
    return float(changes.sum() / 3)


def cut_strength(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> float:
    """Strength of a cut between two BGR thumbnails of one size, in [0, 1)."""
    return content_strength(hsv_change(before, after))


def make_detector() -> SceneDetectBridge:
    """A fresh detector."""
    return SceneDetectBridge("content", ContentDetector(min_scene_len=0), strength=cut_strength)
