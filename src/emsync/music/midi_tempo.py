"""A tempo map whose bar lines fall on the bars of the music, and seconds -> MIDI ticks through it.

The generator places bars freely in seconds; a DAW knows only beats. Each span between two bars gets a time
signature and the tempo that makes its beats fill it. Tempi are whole microseconds per quarter note, so each
span aims at the true time of its end from where the rounded tempi before it have really arrived: the error
stays below a millisecond however long the film.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from emsync.types import TICKS_PER_S, BeatGrid, Floats, Ticks

TICKS_PER_QUARTER = 960
US_PER_TICK = 1_000_000 // TICKS_PER_S
DEFAULT_TEMPO_US = 500_000
SLOWEST_BPM, FASTEST_BPM = 60.0, 180.0

_LARGEST_TEMPO_US = 0xFF_FF_FF
_SAME_TEMPO_WITHIN_US = 100
_TYPICAL_BPM = 110.0
_TYPICAL_BAR_S = 2.0


@dataclass(frozen=True)
class Meter:
    """`count` bars of `numerator`/`denominator`; `cost` is how unlikely a listener finds it."""

    numerator: int
    denominator: int
    cost: float
    count: int = 1

    @property
    def quarters(self) -> float:
        """Length in quarter notes; a multiple of 1/16."""
        return self.count * self.numerator * 4 / self.denominator


@dataclass(frozen=True)
class TempoSpan:
    """One tempo and time signature, from `start_ticks` on.

    `start_time` and `tempo_us * ticks` share a unit that keeps them whole: microseconds times
    `TICKS_PER_QUARTER`.
    """

    start_ticks: int
    start_time: int
    tempo_us: int
    numerator: int
    denominator: int


@dataclass(frozen=True)
class TempoMap:
    """At least one span; the first starts at 0, the last has no end."""

    spans: tuple[TempoSpan, ...]
    ticks_per_quarter: int = TICKS_PER_QUARTER

    def ticks_at(self, times_us: Ticks) -> Ticks:
        """Nearest MIDI tick of times in microseconds, shape kept; at 60 bpm at most 0.52 ms away."""
        start_ticks, start_times, tempi_us = self._columns
        times = np.asarray(times_us, np.int64) * self.ticks_per_quarter
        index = np.maximum(np.searchsorted(start_times, times, side="right") - 1, 0)
        since = 2 * (times - start_times[index]) + tempi_us[index]
        return np.asarray(start_ticks[index] + since // (2 * tempi_us[index]))

    def seconds_at(self, ticks: Ticks) -> Floats:
        """When MIDI ticks are played, shape kept: the nearest floats to the exact times."""
        start_ticks, start_times, tempi_us = self._columns
        index = np.maximum(np.searchsorted(start_ticks, ticks, side="right") - 1, 0)
        times = start_times[index] + (ticks - start_ticks[index]) * tempi_us[index]
        return np.asarray(times / (self.ticks_per_quarter * 1e6))

    @cached_property
    def _columns(self) -> tuple[Ticks, Ticks, Ticks]:
        """First tick, first time and tempo of all spans."""
        rows = [(span.start_ticks, span.start_time, span.tempo_us) for span in self.spans]
        start_ticks, start_times, tempi_us = np.array(rows, np.int64).T
        return start_ticks, start_times, tempi_us


_METERS = (Meter(4, 4, 0.0), Meter(3, 4, 0.15), Meter(2, 4, 0.2), Meter(6, 4, 0.3))
_SHORT_METERS = tuple(Meter(1, denominator, 1.5) for denominator in (4, 8, 16, 32, 64))
_CHANGE_COST = 0.2
_COUNT_COST = 0.1
_TEMPO_COST = 0.1
_JUMP_COST = 2.0
_RANGE_COST = 4.0
_OPEN_METER = Meter(4, 4, 0.0)
_SAME_BEAT_WITHIN_US = 1.0


def tempo_map_of_bars(bar_onsets_ticks: Sequence[int], duration_ticks: int) -> TempoMap:
    """The tempo map with a bar line at each bar onset.

    Music before the first bar is a bar of its own; a span much longer than the others (a missing bar) holds
    several equal bars; the last bar's meter and tempo go on to the end. Without two bars: 4/4 at 120 bpm.

    Args:
        bar_onsets_ticks: strictly increasing, in units of 8 ms; those from `duration_ticks` on are ignored.
    Raises: ValueError if the onsets are negative or not strictly increasing.
    """
    onsets_ticks = [onset for onset in bar_onsets_ticks if onset < duration_ticks]
    if (onsets_ticks and onsets_ticks[0] < 0) or any(np.diff(onsets_ticks) <= 0):
        raise ValueError("bar onsets must be strictly increasing from 0 on")
    edges_us = [onset * US_PER_TICK for onset in sorted({0, *onsets_ticks})]
    lengths_s = [length_us / 1e6 for length_us in np.diff(edges_us).tolist()]
    meters = choose_meters(lengths_s)
    return TempoMap(_fill_spans(edges_us, meters))


def tempo_map_of_grid(grid: BeatGrid) -> TempoMap:
    """The tempo map of a click track: a beat is a quarter note, a bar has as many as it has beats, the last one four.

    Beats of one length and meter share a span. A span aims at the true time of its end from where the rounded tempi
    before it have really arrived.
    """
    times_us = [_microseconds(time_s) for time_s in grid.beat_times_s]
    lengths_us = np.diff(np.array(grid.beat_times_s) * 1e6)
    meters = [*np.diff(grid.bar_beats).tolist(), _OPEN_METER.numerator]
    numerators = np.repeat(meters, np.diff(grid.bar_beats, append=len(times_us)))
    changes = np.flatnonzero(np.abs(np.diff(lengths_us)) > _SAME_BEAT_WITHIN_US) + 1
    new_meters = np.flatnonzero(np.diff(numerators)) + 1
    starts = sorted({0, *changes.tolist(), *new_meters.tolist()})
    spans: list[TempoSpan] = []
    ticks, time, tempo_us = 0, 0, 0
    for start, stop in pairwise([*starts, len(times_us) - 1]):
        length_ticks = (stop - start) * TICKS_PER_QUARTER
        if length_ticks:
            tempo_us = _tempo_us(
                times_us[stop] * TICKS_PER_QUARTER - time, length_ticks, previous_us=tempo_us
            )
        spans.append(TempoSpan(ticks, time, tempo_us or DEFAULT_TEMPO_US, int(numerators[start]), 4))
        ticks, time = ticks + length_ticks, time + length_ticks * tempo_us
    return TempoMap(tuple(spans))


def _microseconds(time_s: float) -> int:
    return round(time_s * 1_000_000)


def choose_meters(lengths_s: Sequence[float]) -> list[Meter]:
    """A meter for each span of bars: plausible tempi, few jumps of tempo, few changes of meter.

    The cheapest path by dynamic programming. A meter costs its own `cost`, plus the distance of its tempo
    from 110 bpm, plus, dearly, its distance outside 60..180 bpm; a step costs the jump in tempo (in
    octaves) and a little if the time signature changes. Weights are ours, chosen on hand-made cases.

    >>> [f"{meter.numerator}/{meter.denominator}" for meter in choose_meters([2.0, 2.0, 1.5, 2.0])]
    ['4/4', '4/4', '3/4', '4/4']
    """
    typical_s = _typical_bar_s(lengths_s)
    columns = [_candidates(length_s, typical_s) for length_s in lengths_s]
    if not columns:
        return []
    totals = [_own_cost(meter, lengths_s[0]) for meter in columns[0]]
    origins: list[list[int]] = []
    for position in range(1, len(columns)):
        steps = [
            [
                total
                + _step_cost(columns[position - 1][i], lengths_s[position - 1], meter, lengths_s[position])
                for i, total in enumerate(totals)
            ]
            for meter in columns[position]
        ]
        origins.append([int(np.argmin(costs)) for costs in steps])
        totals = [
            min(costs) + _own_cost(meter, lengths_s[position])
            for meter, costs in zip(columns[position], steps, strict=True)
        ]
    return _walk_back(columns, origins, int(np.argmin(totals)))


def _walk_back(columns: list[list[Meter]], origins: list[list[int]], last: int) -> list[Meter]:
    path = [last]
    for origin in reversed(origins):
        path.append(origin[path[-1]])
    return [column[index] for column, index in zip(columns, reversed(path), strict=True)]


def _typical_bar_s(lengths_s: Sequence[float]) -> float:
    plausible = [length_s for length_s in lengths_s if length_s / 2 >= 60 / FASTEST_BPM and length_s <= 6]
    return float(np.median(plausible)) if plausible else _TYPICAL_BAR_S


def _candidates(length_s: float, typical_s: float) -> list[Meter]:
    """Meters of a plausible tempo for one span, or all of them if none is plausible."""
    counts = {1}
    if length_s > 1.5 * typical_s:
        counts |= {math.floor(length_s / typical_s), math.ceil(length_s / typical_s)}
    meters = [
        Meter(meter.numerator, meter.denominator, meter.cost + _COUNT_COST * (count > 1), count)
        for count in sorted(counts)
        for meter in (*_METERS, *_SHORT_METERS)
    ]
    plausible = [meter for meter in meters if SLOWEST_BPM <= _bpm(meter, length_s) <= FASTEST_BPM]
    return plausible or meters


def _bpm(meter: Meter, length_s: float) -> float:
    return 60 * meter.quarters / length_s


def _own_cost(meter: Meter, length_s: float) -> float:
    bpm = _bpm(meter, length_s)
    outside = max(math.log2(SLOWEST_BPM / bpm), math.log2(bpm / FASTEST_BPM), 0.0)
    return meter.cost + _TEMPO_COST * abs(math.log2(bpm / _TYPICAL_BPM)) + _RANGE_COST * outside


def _step_cost(before: Meter, before_s: float, meter: Meter, length_s: float) -> float:
    jump = abs(math.log2(_bpm(meter, length_s) / _bpm(before, before_s)))
    changed = (before.numerator, before.denominator) != (meter.numerator, meter.denominator)
    return _JUMP_COST * jump + _CHANGE_COST * changed


def _fill_spans(edges_us: list[int], meters: list[Meter]) -> tuple[TempoSpan, ...]:
    """One span a meter, and the open one that follows the last bar line."""
    spans: list[TempoSpan] = []
    ticks, time, tempo_us = 0, 0, 0
    for end_us, meter in zip(edges_us[1:], meters, strict=True):
        length_ticks = round(meter.quarters * TICKS_PER_QUARTER)
        tempo_us = _tempo_us(end_us * TICKS_PER_QUARTER - time, length_ticks, previous_us=tempo_us)
        spans.append(TempoSpan(ticks, time, tempo_us, meter.numerator, meter.denominator))
        ticks, time = ticks + length_ticks, time + length_ticks * tempo_us
    regular = bool(meters) and meters[-1].numerator > 1
    last = meters[-1] if regular else _OPEN_METER
    open_tempo_us = tempo_us if regular else DEFAULT_TEMPO_US
    spans.append(TempoSpan(ticks, time, open_tempo_us, last.numerator, last.denominator))
    return tuple(spans)


def _tempo_us(time: int, length_ticks: int, *, previous_us: int) -> int:
    """Tempo that fills `time`; the previous one if its bar line is inaudibly (0.1 ms) off."""
    if previous_us and abs(length_ticks * previous_us - time) <= _SAME_TEMPO_WITHIN_US * TICKS_PER_QUARTER:
        return previous_us
    return min(max(round(time / length_ticks), 1), _LARGEST_TEMPO_US)
