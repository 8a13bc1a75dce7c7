"""The form of a score: sections that begin at hit points, and which of them bring an earlier theme back.

A long film needs one score, not a string of strangers: what was heard before comes back where the film feels alike, and
the last section remembers the first (leitmotif and recapitulation; Karlin & Wright 2004, On the Track).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emsync.music.bar_plan import BarPlan
from emsync.types import TICK_S, TICKS_PER_S, AffectCurve, CueSheet, Floats, MusicSection

SHORTEST_SECTION_S = 14.0
"""About eight bars: a theme and an answer."""
LONGEST_SECTION_S = 40.0
"""Without a hit point that asks for one, a new section begins after so long."""
AFFECT_CHANGE = 0.3
"""A hit point after which the film feels so different from the section before begins a new one."""
STRONG_CUT = 0.9
"""A hit point at least this strong does, too."""
LOOK_AHEAD_S = 8.0
SAME_FEELING = 0.6
"""Sections whose mean affect is nearer than this may share a theme."""
SAME_FILM = 1.2
"""The last section brings the first theme back unless its mean affect is further away than this."""


@dataclass(frozen=True)
class Section:
    """A stretch of the score. `returns_to` is the number of the earlier section whose theme it opens with, if any."""

    start_ticks: int
    stop_ticks: int
    returns_to: int | None = None


def sections_of(cue_sheet: CueSheet, bars: BarPlan, stop_ticks: int) -> tuple[Section, ...]:
    """Sections from tick 0 to `stop_ticks`, the last chord; each begins on a bar line. One if nothing is planned."""
    starts = _starts(cue_sheet, bars, stop_ticks)
    stops = [*starts[1:], stop_ticks]
    feelings = [
        _mean_affect(cue_sheet.affect, start, stop) for start, stop in zip(starts, stops, strict=True)
    ]
    returns = _returns(feelings)
    return tuple(
        Section(start, stop, source) for start, stop, source in zip(starts, stops, returns, strict=True)
    )


def named(sections: Sequence[Section]) -> tuple[MusicSection, ...]:
    """Sections with the letters of their themes; after Z comes AA.

    >>> [one.theme for one in named([Section(0, 9), Section(9, 12), Section(12, 20, returns_to=0)])]
    ['A', 'B', 'A']
    """
    themes: list[int] = []
    for number, section in enumerate(sections):
        themes.append(number if section.returns_to is None else section.returns_to)
    order = list(dict.fromkeys(themes))
    return tuple(
        MusicSection(section.start_ticks, _letters(order.index(theme)))
        for section, theme in zip(sections, themes, strict=True)
    )


def _letters(number: int) -> str:
    rest, last = divmod(number, 26)
    return (_letters(rest - 1) if rest else "") + chr(ord("A") + last)


def _starts(cue_sheet: CueSheet, bars: BarPlan, stop_ticks: int) -> list[int]:
    shortest, longest = round(SHORTEST_SECTION_S * TICKS_PER_S), round(LONGEST_SECTION_S * TICKS_PER_S)
    strengths = {round(one.time_s * TICKS_PER_S): one.strength for one in cue_sheet.boundaries}
    starts = [0]
    for bar_ticks in bars.bars_ticks.tolist():
        if bar_ticks - starts[-1] < shortest or stop_ticks - bar_ticks < shortest:
            continue
        is_asked = bar_ticks in strengths and (
            strengths[bar_ticks] >= STRONG_CUT or _turns(cue_sheet.affect, starts[-1], bar_ticks)
        )
        if is_asked or bar_ticks - starts[-1] >= longest:
            starts.append(bar_ticks)
    return starts


def _turns(affect: AffectCurve, start_ticks: int, now_ticks: int) -> bool:
    """Whether the film feels different after a moment from what it felt like since the section began."""
    ahead = now_ticks + round(LOOK_AHEAD_S * TICKS_PER_S)
    change = _mean_affect(affect, now_ticks, ahead) - _mean_affect(affect, start_ticks, now_ticks)
    return bool(np.linalg.norm(change) >= AFFECT_CHANGE)


def _mean_affect(affect: AffectCurve, start_ticks: int, stop_ticks: int) -> Floats:
    """Valence and arousal of a stretch, shape (2,)."""
    times_s = np.linspace(start_ticks * TICK_S, stop_ticks * TICK_S, 32)
    return np.array([affect.valence_at(times_s).mean(), affect.arousal_at(times_s).mean()])


def _returns(feelings: Sequence[Floats]) -> list[int | None]:
    """For each section the first section of the theme that it brings back, never that of the section before it."""
    themes: list[int] = []
    returns: list[int | None] = []
    for number, feeling in enumerate(feelings):
        distances = {
            theme: float(np.linalg.norm(feeling - feelings[theme]))
            for theme in sorted(set(themes))
            if theme != themes[-1]
        }
        is_last = number == len(feelings) - 1
        source = min(distances, key=distances.__getitem__, default=None)
        if is_last and distances.get(0, np.inf) < SAME_FILM:
            source = 0
        elif source is not None and distances[source] >= SAME_FEELING:
            source = None
        returns.append(source)
        themes.append(number if source is None else source)
    return returns
