"""PySceneDetect's histogram detector: brightness histograms of neighbouring frames that no longer correlate.

Source: PySceneDetect, `HistogramDetector`, its defaults (threshold 0.2, 128 bins).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scenedetect.detectors import HistogramDetector

from emsync.video.detectors.scenedetect_bridge import SceneDetectBridge

BINS = 128


def cut_strength(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> float:
    """1 minus the correlation of the two histograms, at most 1."""
    first, second = (HistogramDetector.calculate_histogram(each, bins=BINS) for each in (before, after))
    return min(1.0, 1 - float(cv2.compareHist(first, second, cv2.HISTCMP_CORREL)))


def make_detector() -> SceneDetectBridge:
    """A fresh detector."""
    return SceneDetectBridge(
        "histogram", HistogramDetector(min_scene_len=0, bins=BINS), strength=cut_strength
    )
