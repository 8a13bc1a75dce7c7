"""Where the bars of a score lie: a click track laid out so that hit points fall on bar lines.

Film composers choose a tempo near the one they want for which the hit points fall on strong beats, and write a bar of
another length where that does not suffice (Karlin & Wright 2004, On the Track, on click tracks and hit points). Here
every stretch between two hit points gets a whole number of beats and its own, nearly equal, tempo.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from emsync.types import TICKS_PER_S, BeatGrid, Floats, Ticks

BEATS_PER_BAR = 4
SLOWEST_BPM, FASTEST_BPM = 60.0, 180.0
SHORTEST_BAR_S = 0.75
"""A hit point this close after a bar line gets none of its own."""
GRID_DIVISIONS = (4, 3)
"""Sixteenths and triplets of a beat."""
GRID_REACH_TICKS = 3
_TEMPO_STEP = 0.05
"""A tempo this much off, as a share, weighs as much as one beat that fills no pair."""
_REMAINDER_COST = (0.0, 1.0, 0.4, 1.0)
"""Cost of 0, 1, 2, 3 beats over whole bars; one beat over makes the last bar a bar of five."""


@dataclass(frozen=True)
class BarPlan:
    """Beats and bars of a whole score. Without beats nothing is planned: the network writes bars as it likes.

    `beats_ticks`: exact times of the beats, not whole numbers, strictly increasing from 0 on, shape (N,).
    `bar_beats`: which of them begin a bar, strictly increasing from 0 on, shape (B,).
    """

    beats_ticks: Floats
    bar_beats: Ticks

    @classmethod
    def empty(cls) -> BarPlan:
        """A plan of nothing."""
        return cls(np.zeros(0), np.zeros(0, np.int64))

    @cached_property
    def bars_ticks(self) -> Ticks:
        """Onsets of the bars on the tick grid, strictly increasing, shape (B,)."""
        return np.rint(self.beats_ticks[self.bar_beats]).astype(np.int64)

    @property
    def grid(self) -> BeatGrid | None:
        """The click track; None if nothing is planned."""
        if not len(self.beats_ticks):
            return None
        return BeatGrid(tuple((self.beats_ticks / TICKS_PER_S).tolist()), tuple(self.bar_beats.tolist()))

    def on_the_grid(self, time_ticks: int) -> int:
        """The nearest 16th or triplet of the beat that holds a time, if it is at most `GRID_REACH_TICKS` away.

        Else, and before the first beat or from the last one on, the time itself. The corpus plays a tick or two
        beside the beat as often as on it; a DAW and a listener want the beat.
        """
        beat = int(np.searchsorted(self.beats_ticks, time_ticks, side="right")) - 1
        if not 0 <= beat < len(self.beats_ticks) - 1:
            return time_ticks
        begin, length = self.beats_ticks[beat], self.beats_ticks[beat + 1] - self.beats_ticks[beat]
        nearest = round(nearest_division(float(begin), float(length), time_ticks))
        return nearest if abs(nearest - time_ticks) <= GRID_REACH_TICKS else time_ticks


def nearest_division(begin: float, length: float, time: float) -> float:
    """The sixteenth or triplet nearest to a time in a beat that begins at `begin`, all in one unit."""
    places = [round((time - begin) * division / length) / division for division in GRID_DIVISIONS]
    return min((begin + place * length for place in places), key=lambda moment: abs(moment - time))


def plan_bars(
    hit_points_ticks: Sequence[int], end_ticks: int, tempo_bpm: float | Callable[[int], float]
) -> BarPlan:
    """Bars from tick 0 up to but not at `end_ticks`, one at every hit point.

    Only a hit point within `SHORTEST_BAR_S` after a bar line has none. After the last hit point bars go on in
    the tempo asked for. A tempo that changes within a stretch does so at the next bar line.

    Args:
        hit_points_ticks: increasing; those at 0 or from `end_ticks` on are ignored.
        tempo_bpm: quarter notes a minute, one or for each time in ticks; each stretch comes near it.
    Raises: ValueError for a tempo outside `SLOWEST_BPM`..`FASTEST_BPM`.

    >>> plan_bars([500], 1000, 120.0).bars_ticks.tolist()
    [0, 250, 500, 750]
    """
    beat_at = _beat_lengths(tempo_bpm)
    lines: list[float] = [0]
    for hit_ticks in hit_points_ticks:
        if lines[-1] + SHORTEST_BAR_S * TICKS_PER_S <= hit_ticks < end_ticks:
            lines.append(hit_ticks)
    beats: list[float] = []
    bars: list[int] = []
    lines = [line for pair in pairwise([*lines, end_ticks]) for line in _parted(*pair, beat_at)]
    for begin, stop in pairwise(lines):
        count = _beat_count((stop - begin) / beat_at(begin))
        bars += [len(beats) + place for place in _bar_places(count)]
        beats += [begin + (stop - begin) * place / count for place in range(count)]
    return with_open_end(beats, bars, lines[-1], end_ticks, beat_at(lines[-1]))


def _beat_lengths(tempo_bpm: float | Callable[[int], float]) -> Callable[[float], float]:
    """The length of a beat in ticks at a time in ticks."""

    def beat_at(ticks: float) -> float:
        # Not a tick early: a bar line that is rounded to the tick of a direction is in its tempo.
        bpm = tempo_bpm(round(ticks)) if callable(tempo_bpm) else tempo_bpm
        check_tempo(bpm)
        return 60 * TICKS_PER_S / bpm

    return beat_at


def _parted(begin: float, stop: float, beat_at: Callable[[float], float]) -> list[float]:
    """`begin` and the bar lines before `stop` at which the tempo changes; a last part of less than a bar is none."""
    lines = [begin]
    line, beat_ticks = begin, beat_at(begin)
    while (line := line + BEATS_PER_BAR * beat_ticks) < stop:
        if beat_at(line) != beat_ticks and line + BEATS_PER_BAR * beat_at(line) <= stop:
            lines.append(line)
            beat_ticks = beat_at(line)
    return lines


def check_tempo(tempo_bpm: float) -> None:
    """Raises ValueError for a tempo outside `SLOWEST_BPM`..`FASTEST_BPM`."""
    if not SLOWEST_BPM <= tempo_bpm <= FASTEST_BPM:
        raise ValueError(f"a tempo lies in {SLOWEST_BPM:g}..{FASTEST_BPM:g} bpm, got {tempo_bpm:g}")


def with_open_end(
    beats_ticks: Sequence[float],
    bar_beats: Sequence[int],
    begin_ticks: float,
    end_ticks: int,
    beat_ticks: float,
    *,
    phase: int = 0,
) -> BarPlan:
    """A plan that goes on from `begin_ticks` in bars of four beats of `beat_ticks` to the end.

    `phase` is the beat of the bar on which it goes on, 0 for a bar line.
    """
    after = np.arange(begin_ticks, end_ticks, beat_ticks)
    after = after[np.rint(after) < end_ticks]
    later_bars = len(beats_ticks) + np.arange((-phase) % BEATS_PER_BAR, len(after), BEATS_PER_BAR)
    return BarPlan(
        np.concatenate((np.asarray(beats_ticks, np.float64), after)),
        np.concatenate((np.asarray(bar_beats, np.int64), later_bars)),
    )


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


def tempo_of_arousal(arousal: float) -> float:
    """The tempo for a mean arousal in [-1, 1]: 70 bpm at -1, 100 at 0, 130 at 1."""
    return 100.0 + 30.0 * float(np.clip(arousal, -1.0, 1.0))
