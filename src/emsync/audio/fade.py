"""The end of a rendering: a fade where sound would be cut."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from emsync.audio.performance import Performance
from emsync.audio.wav_file import Sound

LONGEST_FADE_S = 2.0
SHORTEST_FADE_S = 0.01


@dataclass(frozen=True)
class Fade:
    """A falling half cosine between two frames: 1 before, 0 from `stop` on."""

    start: int
    stop: int

    def gain(self, first: int, frames: int) -> Sound:
        """Factors for `frames` frames from `first`, shape (frames,)."""
        place = (first + np.arange(frames) - self.start) / max(self.stop - self.start, 1)
        return (0.5 + 0.5 * np.cos(np.pi * np.clip(place, 0.0, 1.0))).astype(np.float32)


def plan_fade(performance: Performance, frames: int, rate_hz: int) -> Fade:
    """Where to fade so that the cut at `frames` cannot be heard.

    Music whose last sound dies before the cut gets only the shortest fade, which changes nothing; else the
    fade starts after the last onset and at most 2 s before the cut.
    """
    duration_s = frames / rate_hz
    if performance.end_s <= duration_s:
        return Fade(frames - round(SHORTEST_FADE_S * rate_hz), frames)
    last_onset_s = max((onset_s for onset_s in performance.onsets_s if onset_s < duration_s), default=0.0)
    start_s = max(last_onset_s, duration_s - LONGEST_FADE_S)
    return Fade(round(min(start_s, duration_s - SHORTEST_FADE_S) * rate_hz), frames)


def faded(windows: Iterable[Sound], frames: int, rate_hz: int, fade: Callable[[], Fade]) -> Iterator[Sound]:
    """Windows of `frames` frames in all, faded; `fade` is asked only where it may have begun."""
    first = 0
    for window in windows:
        stop = first + window.shape[1]
        begun = stop > frames - LONGEST_FADE_S * rate_hz
        yield window * fade().gain(first, window.shape[1]) if begun else window
        first = stop
