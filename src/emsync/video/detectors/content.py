"""PySceneDetect's content detector: a fixed threshold on the change of hue, saturation and brightness.

Source: PySceneDetect, `ContentDetector`, its default threshold (27 of 255).
"""

from __future__ import annotations

import math

from scenedetect.detectors import ContentDetector

from emsync.video.detectors.scenedetect_bridge import SceneDetectBridge

STRENGTH_SCALE = 40.0


def content_strength(score: float) -> float:
    """Strength of a mean HSV change in 8-bit levels: 1 - exp(-score / 40), so 27 is 0.49 and 100 is 0.92.

    It never saturates, so that the stronger of two strong cuts is always known.
    """
    return 1 - math.exp(-score / STRENGTH_SCALE)


def make_detector() -> SceneDetectBridge:
    """A fresh detector."""
    return SceneDetectBridge(
        "content",
        ContentDetector(min_scene_len=0),
        score_key=ContentDetector.FRAME_SCORE_KEY,
        strength_of=content_strength,
    )
