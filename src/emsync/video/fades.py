"""Fades through black: a shot darkens evenly, and out of the dark comes another one.

Detectors of cuts compare a frame with its neighbours, which in a fade differ little. Here the brightness of a frame is
compared with that of the second before it: a fall to a third and less that takes several frames is a fade-out; the
new shot begins where brightness doubles again. In the spirit of PySceneDetect's threshold detector and of Lienhart's
monochrome frames (1999, Comparison of Automatic Shot Boundary Detection Algorithms), but relative, since short fades
never reach black.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from emsync.video.gradual_change import GradualChange
from emsync.video.pictures import Picture

LONGEST_FALL_S = 2.5
"""Slower fades are judged by this much of them before the dark."""
DARK_SHARE = 0.3
"""Of the brightness before: darker than this, the shot is gone."""
DARK_LEVELS = 30.0
"""What is brighter than this, of 255, is never dark."""
BRIGHT_SHARE = 0.9
"""A fall begins where brightness was last at this share of its highest."""
LEAST_FALL_FRAMES = 3
LARGEST_STEP_SHARE = 0.5
"""A fall of fewer frames between bright and dark, or with a larger part of it in one of them, has a hard cut in it."""
UNEVEN_LEVELS = 1.0
"""A fall goes on through a rise of less than this from frame to frame."""
RISE_RATIO, RISE_LEVELS = 2.0, 4.0
"""The next shot is seen once it is so much brighter than the darkest frame."""


@dataclass(frozen=True)
class _Seen:
    time_s: float
    level: float


class FadeWatch:
    """Sees every frame of a film in order and names the frames that come out of the dark."""

    def __init__(self) -> None:
        self._seen: deque[_Seen] = deque()
        self._bright: _Seen | None = None
        self._darkest_level = 0.0

    def watch(self, picture: Picture) -> GradualChange | None:
        """See the next frame; the fade that it ends, if it is the first frame of the next shot."""
        now = _Seen(picture.time_s, _level(picture.small))
        if self._bright is None:
            self._remember(now)
            self._bright, self._darkest_level = self._faded_out(now), now.level
            return None
        self._darkest_level = min(self._darkest_level, now.level)
        if now.level < RISE_RATIO * self._darkest_level + RISE_LEVELS:
            return None
        fade = GradualChange.at(now.time_s, begin_s=self._bright.time_s)
        self._bright = None
        self._seen.clear()
        self._remember(now)
        return fade

    def _remember(self, now: _Seen) -> None:
        self._seen.append(now)
        while now.time_s - self._seen[0].time_s > LONGEST_FALL_S:
            self._seen.popleft()

    def _faded_out(self, now: _Seen) -> _Seen | None:
        """The last bright frame, if brightness has fallen from it to the dark, and not at once."""
        if now.level >= DARK_LEVELS:
            return None
        fall = self._fall()
        while len(fall) > LEAST_FALL_FRAMES + 1 and now.level < DARK_SHARE * fall[0].level:
            steps = [before.level - after.level for before, after in pairwise(fall)]
            largest = max(range(len(steps)), key=steps.__getitem__)
            if steps[largest] <= LARGEST_STEP_SHARE * (fall[0].level - now.level):
                return _last_bright(fall)
            fall = fall[largest + 1 :]
        return None

    def _fall(self) -> list[_Seen]:
        """The frames over which brightness has been falling until now."""
        fall: list[_Seen] = []
        for seen in reversed(self._seen):
            if fall and seen.level < fall[-1].level - UNEVEN_LEVELS:
                break
            fall.append(seen)
        return fall[::-1]


def _last_bright(fall: list[_Seen]) -> _Seen | None:
    """The last frame that is as bright as the fall began, if several lie between it and the dark."""
    bright = max(place for place, seen in enumerate(fall) if seen.level >= BRIGHT_SHARE * fall[0].level)
    between = sum(seen.level > DARK_SHARE * fall[0].level for seen in fall[bright + 1 :])
    return fall[bright] if between >= LEAST_FALL_FRAMES else None


def _level(small: NDArray[np.uint8]) -> float:
    """Mean brightness of a thumbnail, in 8-bit levels."""
    blue, green, red, _ = cv2.mean(small)
    return float(blue + green + red) / 3
