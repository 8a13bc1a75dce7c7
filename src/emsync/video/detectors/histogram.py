"""PySceneDetect's histogram detector: brightness histograms of neighbouring frames that no longer correlate.

Source: PySceneDetect, `HistogramDetector`, its defaults (threshold 0.2, 128 bins).
"""

from __future__ import annotations

from scenedetect.detectors import HistogramDetector

from emsync.video.detectors.scenedetect_bridge import SceneDetectBridge


def make_detector() -> SceneDetectBridge:
    """A fresh detector. Strength is 1 minus the correlation of the two histograms, at most 1."""
    detector = HistogramDetector(min_scene_len=0)
    (score_key,) = detector.get_metrics()
    return SceneDetectBridge(
        "histogram", detector, score_key=score_key, strength_of=lambda correlation: min(1.0, 1 - correlation)
    )
