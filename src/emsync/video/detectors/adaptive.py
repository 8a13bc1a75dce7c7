"""PySceneDetect's adaptive detector: a frame that changes three times as much as its neighbours opens a shot.

The change is the content detector's; the rolling average keeps fast camera moves from counting as cuts.
Source: PySceneDetect, `AdaptiveDetector`, its defaults (ratio 3, window 2, least change 15 of 255).
"""

from __future__ import annotations

from scenedetect.detectors import AdaptiveDetector

from emsync.video.detectors.content import cut_strength
from emsync.video.detectors.scenedetect_bridge import SceneDetectBridge


def make_detector() -> SceneDetectBridge:
    """A fresh detector. Strength comes from the change itself, as in the content detector."""
    return SceneDetectBridge("adaptive", AdaptiveDetector(min_scene_len=0), strength=cut_strength)
