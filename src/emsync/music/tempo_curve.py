"""A tempo curve on which hit points fall on beats, best on downbeats: `--sync beat`.

Before click tracks were computed, film composers chose the tempo on whose beats most hit points fall, let it drift a
little between them, and wrote a bar of two, three or five beats where a hit needed a downbeat (Karlin & Wright 2004, On
the Track, chapters on timings and clicks; Davis 1999, Complete Guide to Film Scoring). Here dynamic programming does
the same: between two hit points the tempo is constant and at most `TEMPO_RANGE` away from that of the whole score. A
hit point that no beat reaches is passed over; its chord then comes between two beats, still exactly in time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from emsync.music.bar_plan import (
    BEATS_PER_BAR,
    FASTEST_BPM,
    SLOWEST_BPM,
    BarPlan,
    check_tempo,
    with_open_end,
)
from emsync.types import TICKS_PER_S

TEMPO_RANGE = 0.06
"""How far the tempo of a stretch may lie from the score's: any stretch of nine beats can then end on a beat."""
FREE_TEMPO_RANGE = 0.08
"""How far the score's tempo may lie from what arousal asks for; a tempo the user asks for is kept."""
_TEMPO_STEP = 0.01
_LOOK_BACK = 8
"""A stretch passes over fewer hit points than this."""
_MANY_HIT_POINTS = 400
_BEAT_COST = (0.0, 1.0, 0.5, 1.0)
"""Of a hit on the first, second, third, fourth beat of a bar."""
_ODD_BAR_COST = 0.7
"""Of a bar of two, three or five beats."""
_PASSED_COST = 4.0
_STRETCH_COST = 0.7
"""Of a stretch at the very edge of the range."""
_DISTANCE_COST = 1.0
"""Of a score tempo at the very edge of its range, for each ten hit points."""


class _Step(NamedTuple):
    """The best way to a hit point that falls on a given beat of its bar."""

    cost: float
    previous: int
    previous_phase: int
    beats: int
    is_odd: bool


@dataclass(frozen=True)
class _Stretch:
    """Whole beats between two hit points; with `is_odd` its last bar is cut or stretched to end on a bar line."""

    begin_ticks: int
    stop_ticks: int
    beats: int
    begin_phase: int
    is_odd: bool


def plan_tempo_curve(
    hit_points_ticks: Sequence[int], end_ticks: int, tempo_bpm: float, *, is_asked: bool
) -> BarPlan:
    """Beats and bars from tick 0 up to but not at `end_ticks`, with hit points on beats.

    Args:
        hit_points_ticks: increasing; those at 0 or from `end_ticks` on are ignored.
        tempo_bpm: quarter notes a minute.
        is_asked: the user asked for this tempo; otherwise one up to `FREE_TEMPO_RANGE` away may fit better.
    Raises: ValueError for a tempo that is not allowed.

    >>> plan_tempo_curve([500, 1025], 1100, 120.0, is_asked=True).bars_ticks.tolist()
    [0, 250, 500, 762, 1025]
    """
    check_tempo(tempo_bpm)
    hits = [0, *(ticks for ticks in hit_points_ticks if 0 < ticks < end_ticks)]
    best_cost, best_tempo, best_path = math.inf, tempo_bpm, [_Stretch(0, 0, 0, 0, False)]
    for candidate_bpm in _tempi(tempo_bpm, is_asked=is_asked, count=len(hits)):
        off = math.log(candidate_bpm / tempo_bpm) / FREE_TEMPO_RANGE
        cost, path = _best_path(hits, 60 * TICKS_PER_S / candidate_bpm)
        cost += _DISTANCE_COST * off**2 * len(hits) / 10
        if cost < best_cost:
            best_cost, best_tempo, best_path = cost, candidate_bpm, path
    return _to_plan(best_path, end_ticks, 60 * TICKS_PER_S / best_tempo)


def _tempi(tempo_bpm: float, *, is_asked: bool, count: int) -> Iterator[float]:
    """Score tempi to try, the wanted one first."""
    yield tempo_bpm
    if is_asked or count == 1:
        return
    step = _TEMPO_STEP if count <= _MANY_HIT_POINTS else 4 * _TEMPO_STEP
    for place in range(1, round(FREE_TEMPO_RANGE / step) + 1):
        for factor in (1 - place * step, 1 + place * step):
            if SLOWEST_BPM <= tempo_bpm * factor <= FASTEST_BPM:
                yield tempo_bpm * factor


def _best_path(hits: Sequence[int], beat_ticks: float) -> tuple[float, list[_Stretch]]:
    """The cheapest way over the hit points, which begin with 0; its cost and its stretches, none where all are passed.

    A state is a hit point and the beat of the bar it falls on (0 is the downbeat).
    """
    table: list[dict[int, _Step]] = [{0: _Step(0.0, -1, 0, 0, False)}]
    for place in range(1, len(hits)):
        table.append({})
        for previous in range(max(0, place - _LOOK_BACK), place):
            passed = _PASSED_COST * (place - previous - 1)
            for beats, stretch_cost in _beat_counts(hits[place] - hits[previous], beat_ticks):
                _extend(table, previous, beats, passed + stretch_cost)
    closing = [
        (step.cost + _PASSED_COST * (len(hits) - 1 - place), place, phase)
        for place in range(max(0, len(hits) - _LOOK_BACK), len(hits))
        for phase, step in table[place].items()
    ]
    if not closing:  # more hit points than a stretch may pass over, none of them in reach
        return _PASSED_COST * len(hits), []
    cost, place, phase = min(closing)
    return cost, _walk_back(table, hits, place, phase)


def _beat_counts(length_ticks: int, beat_ticks: float) -> list[tuple[int, float]]:
    """Whole numbers of beats that fill a stretch within the range, and what each costs."""
    ideal = length_ticks / beat_ticks
    lowest = max(1, math.ceil(ideal * (1 - TEMPO_RANGE)))
    counts = range(lowest, math.floor(ideal * (1 + TEMPO_RANGE)) + 1)
    return [(count, _STRETCH_COST * (math.log(count / ideal) / TEMPO_RANGE) ** 2) for count in counts]


def _extend(table: list[dict[int, _Step]], previous: int, beats: int, cost: float) -> None:
    """Go from every state of `previous` over a stretch to the newest hit point, in step or onto a downbeat."""
    for phase, step in table[previous].items():
        lands_on = (phase + beats) % BEATS_PER_BAR
        _improve(
            table[-1], lands_on, _Step(step.cost + cost + _BEAT_COST[lands_on], previous, phase, beats, False)
        )
        if lands_on and phase + beats > 1:  # a bar of a single beat is none
            _improve(table[-1], 0, _Step(step.cost + cost + _ODD_BAR_COST, previous, phase, beats, True))


def _improve(states: dict[int, _Step], phase: int, step: _Step) -> None:
    if phase not in states or step.cost < states[phase].cost:
        states[phase] = step


def _walk_back(table: list[dict[int, _Step]], hits: Sequence[int], place: int, phase: int) -> list[_Stretch]:
    stretches = []
    while place > 0:
        step = table[place][phase]
        stretches.append(
            _Stretch(hits[step.previous], hits[place], step.beats, step.previous_phase, step.is_odd)
        )
        place, phase = step.previous, step.previous_phase
    return stretches[::-1]


def _to_plan(stretches: Sequence[_Stretch], end_ticks: int, beat_ticks: float) -> BarPlan:
    """Beats of all stretches, then of the score's tempo to the end."""
    beats: list[float] = []
    bars: list[int] = []
    for stretch in stretches:
        bars += [len(beats) + place for place in _bar_places(stretch)]
        length = stretch.stop_ticks - stretch.begin_ticks
        beats += [stretch.begin_ticks + length * place / stretch.beats for place in range(stretch.beats)]
    begin_ticks = stretches[-1].stop_ticks if stretches else 0
    phase = 0
    if stretches and not stretches[-1].is_odd:
        phase = (stretches[-1].begin_phase + stretches[-1].beats) % BEATS_PER_BAR
    return with_open_end(beats, bars, begin_ticks, end_ticks, beat_ticks, phase=phase)


def _bar_places(stretch: _Stretch) -> list[int]:
    """Beats of a stretch that begin a bar; of an odd stretch a last bar of one beat is joined to the one before."""
    first = (-stretch.begin_phase) % BEATS_PER_BAR
    places = list(range(first, stretch.beats, BEATS_PER_BAR))
    if stretch.is_odd and places and stretch.beats - places[-1] == 1:
        places.pop()
    return places
