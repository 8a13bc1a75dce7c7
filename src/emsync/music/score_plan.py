"""All that is decided of a score before its first note: what must be answered and when, bars, ending, tonic."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from emsync.control import Key, Mode
from emsync.errors import CueSheetError
from emsync.music.bar_plan import BarPlan, plan_bars, tempo_of_arousal
from emsync.music.conditions import GROUP_CONDITIONS, Condition, bar_positions, group_flags
from emsync.music.directions import DirectionPlan
from emsync.music.ending import Ending
from emsync.music.form import Section, sections_of
from emsync.music.tempo_curve import plan_tempo_curve
from emsync.options import ComposeOptions, SyncMode
from emsync.types import TICK_S, TICKS_PER_S, CueSheet, Floats, InstrumentGroup

SHORTEST_MUSIC_TICKS = 5
CLEAR_VALENCE = 0.1
"""Nearer to 0 than this, valence means neither mode."""


@dataclass(frozen=True)
class ScorePlan:
    """The plan of one score.

    `asked_ticks`: what must be answered, strictly increasing; the last of them is the last chord.
    """

    cue_sheet: CueSheet
    options: ComposeOptions
    end_ticks: int
    ending: Ending
    asked_ticks: tuple[int, ...]
    bars: BarPlan
    sections: tuple[Section, ...]
    tonic: int

    @classmethod
    def of(cls, cue_sheet: CueSheet, options: ComposeOptions, *, tonic: int) -> ScorePlan:
        """Plan the score of a film. Raises: CueSheetError if the film is too short for any music."""
        end_ticks = int(cue_sheet.duration_s * TICKS_PER_S + 1e-6)  # 8.04 s are 1005 ticks, not 1004.999
        if end_ticks < SHORTEST_MUSIC_TICKS:
            raise CueSheetError(f"{cue_sheet.title}: {cue_sheet.duration_s:.3f} s is too short for music")
        boundaries_ticks = [round(boundary.time_s * TICKS_PER_S) for boundary in cue_sheet.boundaries]
        ending = Ending.of(end_ticks, boundaries_ticks)
        asked_ticks = (*sorted({ticks for ticks in boundaries_ticks if ticks < ending.chord_ticks}),)
        asked_ticks = (*asked_ticks, ending.chord_ticks)
        bars = _bars(cue_sheet, options, asked_ticks, end_ticks)
        sections = sections_of(cue_sheet, bars, ending.chord_ticks)
        return cls(cue_sheet, options, end_ticks, ending, asked_ticks, bars, sections, tonic)

    @cached_property
    def directions(self) -> DirectionPlan:
        """What the user asks for at every time."""
        return DirectionPlan.of(self.cue_sheet, self.options)

    def groups_at(self, now_ticks: int) -> frozenset[InstrumentGroup]:
        """Who may play at a time of the music."""
        return self.directions.at(now_ticks).groups

    def conditions_at(self, now_ticks: int, next_asked_ticks: int | None, horizon_s: float) -> Floats:
        """What the network is told at a time of the music, shape (11,); NaN for what is left to it.

        Args:
            next_asked_ticks: the next moment that is not answered yet, if there is one.
            horizon_s: largest offset that the network knows.
        """
        now_s = now_ticks * TICK_S
        boundary_s = np.inf if next_asked_ticks is None else next_asked_ticks * TICK_S
        end_s = self.ending.release_ticks * TICK_S
        conditions = np.full(len(Condition), np.nan)
        conditions[Condition.VALENCE] = self.valence_at(now_ticks)
        conditions[Condition.AROUSAL] = self.cue_sheet.affect.arousal_at(np.array([now_s]))[0]
        conditions[Condition.BOUNDARY_OFFSET_S] = min(max(boundary_s - now_s, 0.0), horizon_s)
        conditions[Condition.END_OFFSET_S] = min(max(end_s - now_s, 0.0), horizon_s)
        in_bar = slice(Condition.BAR_LENGTH_S, Condition.BAR_PHASE + 1)
        conditions[in_bar] = bar_positions(np.array([now_ticks]), self.bars.bars_ticks)[0]
        instruments = self.directions.at(now_ticks).instruments
        if instruments is not None:
            conditions[GROUP_CONDITIONS] = group_flags(instruments)
        return conditions

    def key_at(self, now_ticks: int) -> Key:
        """The key asked for, or the film's tonic and the mode of a clear valence."""
        asked = self.directions.at(now_ticks).key
        valence = self.valence_at(now_ticks)
        mode = None if abs(valence) < CLEAR_VALENCE else Mode.MAJOR if valence > 0 else Mode.MINOR
        if asked is None:
            return Key(self.tonic, mode)
        return asked if asked.mode else Key(asked.tonic, mode)

    def valence_at(self, now_ticks: int) -> float:
        """Valence of the film at a time of the music, in [-1, 1]."""
        return float(self.cue_sheet.affect.valence_at(np.array([now_ticks * TICK_S]))[0])


def _bars(
    cue_sheet: CueSheet, options: ComposeOptions, asked_ticks: tuple[int, ...], end_ticks: int
) -> BarPlan:
    """Bar lines or beats on what must be answered, in the tempo asked for or that of the film's mean arousal.

    Raises: CueSheetError for directions that change the tempo of a tempo curve, which has one.
    """
    if not options.planned_bars and options.sync is not SyncMode.BEAT:
        return BarPlan.empty()
    times_s = np.linspace(0.0, cue_sheet.duration_s, 100)
    own_bpm = tempo_of_arousal(float(cue_sheet.affect.arousal_at(times_s).mean()))
    directions = DirectionPlan.of(cue_sheet, options)
    if options.sync is not SyncMode.BEAT:
        return plan_bars(asked_ticks, end_ticks, lambda ticks: directions.at(ticks).tempo_bpm or own_bpm)
    asked_bpm = directions.at(0).tempo_bpm
    if any(asked.tempo_bpm != asked_bpm for asked in directions.asked[1:]):
        raise CueSheetError(
            f"{cue_sheet.title}: directions change the tempo, which `--sync beat` cannot; use `--sync exact` "
            "or delete their tempo_bpm"
        )
    return plan_tempo_curve(asked_ticks, end_ticks, asked_bpm or own_bpm, is_asked=asked_bpm is not None)
