"""Where the bars of a score lie: a click track laid out so that hit points fall on bar lines.

Film composers choose a tempo near the one they want for which the hit points fall on strong beats, and write a bar of
another length where that does not suffice (Karlin & Wright 2004, On the Track, on click tracks and hit points). Here
every stretch between two hit points gets a whole number of beats and its own, nearly equal, tempo.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from emsync.types import TICKS_PER_S, Ticks

BEATS_PER_BAR = 4
SLOWEST_BPM, FASTEST_BPM = 60.0, 180.0
SHORTEST_BAR_S = 0.75
"""A hit point this close after a bar line gets none of its own."""
GRID_DIVISIONS = (16, 12)
"""Sixteenths and triplets of a bar of four."""
GRID_REACH_TICKS = 3
_TEMPO_STEP = 0.05
"""A tempo this much off, as a share, weighs as much as one beat that fills no pair."""
_REMAINDER_COST = (0.0, 1.0, 0.4, 1.0)
"""Cost of 0, 1, 2, 3 beats over whole bars; one beat over makes the last bar a bar of five."""


def plan_bars(hit_points_ticks: Sequence[int], end_ticks: int, tempo_bpm: float) -> Ticks:
    """Onsets of bars from tick 0 up to but not at `end_ticks`, strictly increasing, one at every hit point.

    Only a hit point within `SHORTEST_BAR_S` after a bar line has none. After the last hit point bars go on in
    the tempo asked for.

    Args:
        hit_points_ticks: increasing; those at 0 or from `end_ticks` on are ignored.
        tempo_bpm: quarter notes a minute; each stretch between hit points comes near it.
    Raises: ValueError for a tempo outside `SLOWEST_BPM`..`FASTEST_BPM`.

    >>> plan_bars([500], 1000, 120.0).tolist()
    [0, 250, 500, 750]
    """
    if not SLOWEST_BPM <= tempo_bpm <= FASTEST_BPM:
        raise ValueError(f"a tempo lies in {SLOWEST_BPM:g}..{FASTEST_BPM:g} bpm, got {tempo_bpm:g}")
    beat_ticks = 60 * TICKS_PER_S / tempo_bpm
    lines = [0]
    for hit_ticks in hit_points_ticks:
        if lines[-1] + SHORTEST_BAR_S * TICKS_PER_S <= hit_ticks < end_ticks:
            lines.append(hit_ticks)
    bars = [0]
    for begin, stop in pairwise(lines):
        beats = _beat_count((stop - begin) / beat_ticks)
        bars += [begin + round((stop - begin) * place / beats) for place in _bar_places(beats)[1:]] + [stop]
    after = np.rint(np.arange(bars[-1] + BEATS_PER_BAR * beat_ticks, end_ticks, BEATS_PER_BAR * beat_ticks))
    return np.array([*bars, *after[after < end_ticks]], np.int64)


def _beat_count(ideal: float) -> int:
    """A whole number of beats near `ideal`, rather of whole bars than of odd beats."""
    candidates = np.arange(max(1, int(ideal * 0.8)), int(np.ceil(ideal * 1.25)) + 1)
    tempo_costs = (np.log(candidates / ideal) / _TEMPO_STEP) ** 2
    return int(candidates[np.argmin(tempo_costs + np.array(_REMAINDER_COST)[candidates % BEATS_PER_BAR])])


def _bar_places(beats: int) -> list[int]:
    """First beats of the bars of a stretch; a last bar of a single beat is joined to the one before."""
    places = list(range(0, beats, BEATS_PER_BAR))
    if len(places) > 1 and beats % BEATS_PER_BAR == 1:
        places.pop()
    return places


def on_the_grid(time_ticks: int, bars_ticks: Ticks) -> int:
    """The nearest 16th or triplet of the bar that holds a time, if it is at most `GRID_REACH_TICKS` away.

    Else, and before the first of the bars or in the last, the time itself. The corpus plays a tick or two beside
    the beat as often as on it; a DAW and a listener want the beat.

    >>> on_the_grid(64, np.array([0, 250, 500])), on_the_grid(72, np.array([0, 250, 500]))
    (62, 72)
    """
    bar = int(np.searchsorted(bars_ticks, time_ticks, side="right")) - 1
    if not 0 <= bar < len(bars_ticks) - 1:
        return time_ticks
    begin, length = int(bars_ticks[bar]), int(bars_ticks[bar + 1] - bars_ticks[bar])
    candidates = []
    for division in GRID_DIVISIONS:
        place = round((time_ticks - begin) * division / length)
        candidates.append(begin + round(place * length / division))
    nearest = min(candidates, key=lambda ticks: abs(ticks - time_ticks))
    return nearest if abs(nearest - time_ticks) <= GRID_REACH_TICKS else time_ticks


def tempo_of_arousal(arousal: float) -> float:
    """The tempo for a mean arousal in [-1, 1]: 70 bpm at -1, 100 at 0, 130 at 1."""
    return 100.0 + 30.0 * float(np.clip(arousal, -1.0, 1.0))
