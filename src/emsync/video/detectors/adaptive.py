"""A frame that changes three times as much as its neighbours opens a shot: PySceneDetect's adaptive detector.

The change is the content detector's; the neighbours keep fast camera moves from counting as cuts. Written anew, as that
one is; a test holds the two equal.
Source: PySceneDetect, `AdaptiveDetector`, its defaults (ratio 3, window 2, least change 15 of 255).
"""

from __future__ import annotations

from collections import deque

from emsync.types import Cut
from emsync.video.detectors.content import HsvChange, content_strength
from emsync.video.pictures import Picture

LEAST_RATIO = 3.0
LEAST_CHANGE_LEVELS = 15.0
WINDOW_FRAMES = 2
"""Neighbours on either side of a frame."""
NO_CHANGE_LEVELS = 1e-5
"""Neighbours that change by less than this do not change at all: whatever changes enough beside them is a cut."""


class AdaptiveDetector:
    """Compares the change of every thumbnail with that of the two before and the two after it."""

    name = "adaptive"
    lag_frames = WINDOW_FRAMES

    def __init__(self) -> None:
        self._change = HsvChange()
        self._times_s: deque[float] = deque(maxlen=2 * WINDOW_FRAMES + 1)
        self._scores: deque[float] = deque(maxlen=2 * WINDOW_FRAMES + 1)

    def watch(self, picture: Picture) -> tuple[Cut, ...]:
        """See the next frame; return a cut two frames ago if there was one."""
        self._times_s.append(picture.time_s)
        self._scores.append(self._change.to(picture.small))
        if len(self._scores) < 2 * WINDOW_FRAMES + 1:
            return ()
        score = self._scores[WINDOW_FRAMES]
        if score < LEAST_CHANGE_LEVELS or not self._stands_out(score):
            return ()
        return (Cut(self._times_s[WINDOW_FRAMES], content_strength(score)),)

    def finish(self) -> tuple[Cut, ...]:
        """None: the last two frames have too few neighbours to be judged."""
        return ()

    def _stands_out(self, score: float) -> bool:
        around = [one for place, one in enumerate(self._scores) if place != WINDOW_FRAMES]
        mean = sum(around) / len(around)
        return mean < NO_CHANGE_LEVELS or score / mean >= LEAST_RATIO


def make_detector() -> AdaptiveDetector:
    """A fresh detector."""
    return AdaptiveDetector()
