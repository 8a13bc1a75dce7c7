"""Dissolves: one shot gives way to another while both are seen.

Half-way through a dissolve a frame is a mixture of the frame a quarter of a second earlier and the one a quarter of a
second later, half and half; between them it is three quarters of the one, then of the other. Nothing else looks like
that: at a hard cut the shares jump from all to nothing, and what moves keeps its contrast, which a mixture loses. The
shares are found by least squares on tiny pictures. A fade through a dim picture is a dissolve in this sense.

That frames of a dissolve are mixtures of its ends is what most detectors use (Lienhart 1999, Comparison of Automatic
Shot Boundary Detection Algorithms; Truong, Dorai & Venkatesh 2000); the test of shares is ours.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from emsync.video.gradual_change import GradualChange
from emsync.video.pictures import Picture

REACH_S = 0.25
"""From the middle to either end of what is looked at."""
WATCHED_S = (REACH_S, 1.5 * REACH_S, 0.5 * REACH_S)
"""Where shares are looked at, before the later end: in the middle, just after the beginning, just before the end."""
LEAST_FRAMES = 6
"""Between the two ends and with them; slower films are not looked at."""
SHARE_ERROR = 0.16
"""How far a share may be from what it should be."""
LARGEST_REST = 0.45
"""What is no mixture, as a share of the difference of the ends."""
MOST_CONTRAST = 1.1
"""Variance of the middle over that of a mixture. Mixing two pictures takes contrast away, moving one does not: what is
smooth and moves would pass for a mixture otherwise."""
LEAST_DIFFERENCE_LEVELS = 20.0
"""Of the ends, root mean square, of 255."""
LEAST_CONTRAST_LEVELS = 15.0
"""Standard deviation within an end: black and plain frames are the business of fades."""
LARGEST_CORRELATION = 0.7
"""Of the ends: the same picture in another light is no dissolve."""
QUIET_S = 1.0
"""For so long after a dissolve there is no other: a slow one looks like several."""
SHRINKING = 4
"""Thumbnails are made so much smaller: by a whole number, which takes half the time of another size near it."""


class _Seen(NamedTuple):
    time_s: float
    pixels: NDArray[np.float32]


class DissolveWatch:
    """Sees every frame of a film in order and names the middles of dissolves, a quarter of a second late."""

    def __init__(self) -> None:
        self._seen: deque[_Seen] = deque()
        self._quiet_until_s = 0.0

    def watch(self, picture: Picture) -> GradualChange | None:
        """See the next frame; the dissolve whose middle was `REACH_S` ago, if there was one."""
        now = _Seen(picture.time_s, _shrunk(picture.small))
        self._seen.append(now)
        while len(self._seen) > 1 and now.time_s - self._seen[1].time_s >= 2 * REACH_S - 1e-6:
            self._seen.popleft()
        if now.time_s < self._quiet_until_s or not self._can_judge() or not self._is_dissolve():
            return None
        self._quiet_until_s = now.time_s + QUIET_S
        return GradualChange.at(self._before_end(REACH_S).time_s, begin_s=self._seen[0].time_s)

    def _can_judge(self) -> bool:
        """Enough frames, of which none is missing for long."""
        seen_s = self._seen[-1].time_s - self._seen[0].time_s
        return 2 * REACH_S - 1e-6 <= seen_s <= 3 * REACH_S and len(self._seen) >= LEAST_FRAMES

    def _is_dissolve(self) -> bool:
        first, last = self._seen[0], self._seen[-1]
        change = first.pixels - last.pixels
        power = float(change @ change)
        if power < LEAST_DIFFERENCE_LEVELS**2 * len(change):
            return False
        for before_s in WATCHED_S:
            seen = self._before_end(before_s)
            part = seen.pixels - last.pixels
            share = float(part @ change) / power
            expected = (last.time_s - seen.time_s) / (last.time_s - first.time_s)
            rest = float(part @ part) - share**2 * power
            if abs(share - expected) > SHARE_ERROR or rest > LARGEST_REST**2 * power:
                return False
        mixture = (first.pixels + last.pixels) / 2
        keeps_contrast = self._before_end(REACH_S).pixels.var() > MOST_CONTRAST * mixture.var()
        return not keeps_contrast and _are_two_pictures(first.pixels, last.pixels)

    def _before_end(self, before_s: float) -> _Seen:
        """The frame nearest to a time before the last."""
        wanted_s = self._seen[-1].time_s - before_s
        return min(self._seen, key=lambda seen: abs(seen.time_s - wanted_s))


def _shrunk(small: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The pixels of a thumbnail made smaller, 16 high or less, as one row."""
    height, width = (max(size // SHRINKING, 1) for size in small.shape[:2])
    whole = small[: height * SHRINKING, : width * SHRINKING]
    tiny = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(tiny, np.float32).ravel()


def _are_two_pictures(first: NDArray[np.float32], last: NDArray[np.float32]) -> bool:
    """Neither is plain, and they do not look alike."""
    first, last = first - first.mean(), last - last.mean()
    contrasts = [float(np.sqrt(np.mean(one**2))) for one in (first, last)]
    if min(contrasts) < LEAST_CONTRAST_LEVELS:
        return False
    return float(np.mean(first * last)) / (contrasts[0] * contrasts[1]) <= LARGEST_CORRELATION
