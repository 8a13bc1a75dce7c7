"""The paper's detector: FFmpeg's scene score above 0.27.

For two frames of one size, m = mean absolute difference of luma in 8-bit levels, and

    score = min(m, |m - m of the frame before|) / 100, clipped to [0, 1].

A change that merely goes on, as in a pan, has a small second term. Computed here on every pixel instead of
through FFmpeg's `select` filter, because it must tell the score too; a test holds the two equal.
Source: arXiv:2502.10154, section on scene cuts; FFmpeg documentation of `select`, the `scene` value.
"""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from emsync.types import Cut
from emsync.video.pictures import Picture

SCENE_THRESHOLD = 0.27
FULL_CHANGE_LEVELS = 100.0


class SceneScoreDetector:
    """Compares every frame's luma with that of the frame before it."""

    name = "ffmpeg"
    lag_frames = 0

    def __init__(self) -> None:
        self._last_luma: NDArray[np.uint8] | None = None
        self._last_change = 0.0

    def watch(self, picture: Picture) -> tuple[Cut, ...]:
        """See the next frame; return a cut at its own time if its score passes the threshold."""
        score = self._score(_luma(picture.frame))
        return (Cut(picture.time_s, strength=score),) if score > SCENE_THRESHOLD else ()

    def finish(self) -> tuple[Cut, ...]:
        """None: every frame is judged at once."""
        return ()

    def _score(self, luma: NDArray[np.uint8]) -> float:
        last_luma, self._last_luma = self._last_luma, luma
        if last_luma is None or last_luma.shape != luma.shape:
            return 0.0
        change = cv2.norm(luma, last_luma, cv2.NORM_L1) / luma.size
        last_change, self._last_change = self._last_change, change
        return float(np.clip(min(change, abs(change - last_change)) / FULL_CHANGE_LEVELS, 0, 1))


def make_detector() -> SceneScoreDetector:
    """A fresh detector."""
    return SceneScoreDetector()


def _luma(frame: VideoFrame) -> NDArray[np.uint8]:
    """The luma plane, uint8, shape (height, width): a view of the frame where its format stores one."""
    if frame.format.name not in {"yuv420p", "yuvj420p", "yuv422p", "yuv444p", "gray", "nv12"}:
        frame = frame.reformat(format="yuv420p")
    plane = frame.planes[0]
    rows: NDArray[np.uint8] = np.frombuffer(cast(memoryview, plane), dtype=np.uint8)
    return rows.reshape(plane.height, plane.line_size)[:, : plane.width]
