"""Film craft: seven plain measures of light, colour and pace, without a network.

What film makers set by hand, and what is known of its effect:
- *brightness* and *saturation*: pleasure rises with both, arousal with saturation (Valdez & Mehrabian 1994,
  Effects of color on emotions, J. Experimental Psychology: General 123).
- *contrast* (low-key light), *colourfulness* and *warmth* of the palette: Wang & Cheong 2006, Affective
  understanding in film, IEEE Trans. Circuits and Systems for Video Technology 16.
- *motion*: moving pictures arouse more than still ones (Detenber, Simons & Bennett 1998, Roll 'em!: the effects
  of picture motion on emotional responses, J. Broadcasting & Electronic Media 42).
- *pace*: shot length and motion make a film's tempo (Adams, Dorai & Venkatesh 2002, Toward automatic extraction
  of expressive elements from motion pictures: tempo, IEEE Trans. Multimedia 4).

Frames about a second apart are compared, whatever the rate at which they come, so that a film of one sampled
frame a second and a clip of two give the same numbers.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emsync.types import Floats

CRAFT_NAME = "craft_1"
MEASURES = ("brightness", "contrast", "colourfulness", "saturation", "warmth", "motion", "pace")

LUMA = np.array([0.2126, 0.7152, 0.0722])
"""Weights of red, green and blue (ITU-R BT.709)."""

COMPARED_S = (0.9, 2.5)
"""A frame is compared with the latest one that is this much older, at least and at most."""

MOTION_WINDOW_S, PACE_WINDOW_S = 5.0, 10.0
"""Over how long motion and pace are averaged, centred: a shot; a passage of shots."""

SAME_SHOT = 0.5
"""Two frames whose histograms differ by less (0: not at all, 1: wholly) count as one shot."""

LEVELS = 4
"""Steps of each colour in the histogram that tells one shot from another."""


@dataclass(frozen=True)
class Look:
    """One frame made small: five measures of it alone, its luma (28, 28) in [0, 1], its histogram (64,)."""

    time_s: float
    measures: Floats
    luma: Floats
    histogram: Floats

    @classmethod
    def at(cls, time_s: float, rgb: NDArray[np.uint8]) -> Look:
        """Look at a frame, uint8 (224, 224, 3): every fourth pixel of every fourth row."""
        small = rgb[2::4, 2::4].astype(np.float64) / 255  # (56, 56, 3)
        luma = small @ LUMA
        levels = np.minimum((small * LEVELS).astype(int), LEVELS - 1) @ np.array([LEVELS**2, LEVELS, 1])
        histogram = np.bincount(levels.ravel(), minlength=LEVELS**3) / levels.size
        coarse = luma.reshape(28, 2, 28, 2).mean(axis=(1, 3))
        return cls(time_s, _still_measures(small, luma), coarse, histogram)


def _still_measures(rgb: Floats, luma: Floats) -> Floats:
    """Brightness, contrast, colourfulness, saturation and warmth, each in [0, 1]; `rgb` (H, W, 3) in [0, 1]."""
    red, green, blue = np.moveaxis(rgb, 2, 0)
    highest, lowest = rgb.max(axis=2), rgb.min(axis=2)
    saturation = np.where(highest > 0.1, (highest - lowest) / np.maximum(highest, 0.1), 0)
    warmth = 0.5 + (red - blue).mean() / 2
    return np.array(
        [luma.mean(), min(1, 2 * luma.std()), _colourfulness(red, green, blue), saturation.mean(), warmth]
    )


def _colourfulness(red: Floats, green: Floats, blue: Floats) -> float:
    """Hasler & Süsstrunk 2003, Measuring colourfulness in natural images; 1 stands for twice "extremely"."""
    red_green, yellow_blue = red - green, (red + green) / 2 - blue
    spread = np.hypot(red_green.std(), yellow_blue.std())
    strength = np.hypot(red_green.mean(), yellow_blue.mean())
    return float(min(1, (spread + 0.3 * strength) * 255 / 220))


class CraftMeter:
    """Measures frame after frame; of each it keeps eight numbers, of the last seconds a small picture."""

    def __init__(self) -> None:
        self._recent: deque[Look] = deque()
        self._rows: list[Floats] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, time_s: float, rgb: NDArray[np.uint8]) -> None:
        """Measure one frame, uint8 (224, 224, 3); frames come in order of time."""
        look = Look.at(time_s, rgb)
        least_s, most_s = COMPARED_S
        while self._recent and time_s - self._recent[0].time_s > most_s:
            self._recent.popleft()
        older = [other for other in self._recent if time_s - other.time_s >= least_s]
        change = _change(look, older[-1]) if older else (np.nan, np.nan)
        self._rows.append(np.array([time_s, *look.measures, *change]))
        self._recent.append(look)

    def over_time(self) -> tuple[Floats, Floats]:
        """The times of the frames, shape (M,), in order, and the seven measures at each, (M, 7), in [0, 1].

        Motion is the mean change of luma (times 4, at most 1) in comparisons that lie within one shot, pace
        the mean change of the histogram. Both are averaged over the comparisons around; without any they are 0.
        """
        rows = np.array(self._rows).reshape(len(self._rows), 1 + len(MEASURES))
        rows = rows[np.argsort(rows[:, 0], kind="stable")]
        times_s, motion, pace = rows[:, 0], rows[:, -2], rows[:, -1]
        compared, within = np.isfinite(pace), pace < SAME_SHOT
        motion_around = _window_means(times_s[within], motion[within], times_s, MOTION_WINDOW_S)
        pace_around = _window_means(times_s[compared], pace[compared], times_s, PACE_WINDOW_S)
        return times_s, np.column_stack([rows[:, 1:-2], motion_around, pace_around])


def _change(new: Look, old: Look) -> tuple[float, float]:
    moved = min(1.0, 4 * float(np.abs(new.luma - old.luma).mean()))
    return moved, float(np.abs(new.histogram - old.histogram).sum() / 2)


def _window_means(at_s: Floats, values: Floats, times_s: Floats, window_s: float) -> Floats:
    """Mean of the values within half a window of each time, 0 where there is none; `at_s` is sorted."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    first = np.searchsorted(at_s, times_s - window_s / 2, side="left")
    past_last = np.searchsorted(at_s, times_s + window_s / 2, side="right")
    counts = past_last - first
    return np.asarray((sums[past_last] - sums[first]) / np.maximum(counts, 1))
