"""Themes: the first bars of a section, brought back at the beginning of a later one.

What comes back is put on the bars of its new place, in their tempo. Where the film's mode has changed meanwhile,
thirds, sixths and sevenths of the key change with it: the theme in minor, or in major (thematic transformation).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emsync.control import Key, Mode
from emsync.music.bar_plan import BarPlan
from emsync.music.tokenizer import Piece
from emsync.music.vocabulary import HIGHEST_PITCH, LOWEST_PITCH
from emsync.types import Floats, InstrumentGroup, Notes, Ticks

THEME_BARS = 4
TO_MINOR = {4: -1, 9: -1, 11: -1}
TO_MAJOR = {3: 1, 8: 1, 10: 1}
"""By how much the degrees of a key, in semitones above its tonic, move when the mode changes."""


@dataclass(frozen=True)
class Theme:
    """Notes and chords by their place in beats, counted from the theme's first; one bar after the other has four beats.

    `onsets_beats`, `ends_beats`: shape (N,), of `notes`. `chords_beats`: shape (C,).
    """

    notes: Notes
    onsets_beats: Floats
    ends_beats: Floats
    chords_beats: Floats
    beats: int

    @classmethod
    def of(cls, piece: Piece, bars: BarPlan, start_ticks: int, stop_ticks: int) -> Theme | None:
        """The music of up to `THEME_BARS` whole bars of four beats from a bar line on; None if there is not one."""
        first, beats = _whole_bars(bars, start_ticks, stop_ticks)
        if not beats:
            return None
        begin, stop = bars.beats_ticks[first], bars.beats_ticks[first + beats]
        onsets = piece.notes["onset_ticks"].astype(np.int64)
        notes = piece.notes[(onsets >= round(begin)) & (onsets < round(stop))]
        chords = piece.chord_onsets_ticks
        chords = chords[(chords >= round(begin)) & (chords < round(stop))]
        places = np.arange(len(bars.beats_ticks)) - float(first)
        onset_ticks = notes["onset_ticks"].astype(np.float64)
        return cls(
            notes,
            np.interp(onset_ticks, bars.beats_ticks, places),
            np.minimum(np.interp(onset_ticks + notes["duration_ticks"], bars.beats_ticks, places), beats),
            np.interp(chords, bars.beats_ticks, places),
            beats,
        )

    def quoted(self, bars: BarPlan, start_ticks: int, stop_ticks: int) -> tuple[Notes, Ticks, int]:
        """The theme from a bar line on, up to `stop_ticks` at the latest: notes, chord onsets, and where it stops."""
        first, beats = _whole_bars(bars, start_ticks, stop_ticks)
        beats = min(beats, self.beats)
        if not beats:
            return self.notes[:0], np.zeros(0, np.int64), start_ticks
        inside = self.onsets_beats < beats
        notes = self.notes[inside].copy()
        onsets = _ticks_at(self.onsets_beats[inside] + first, bars)
        ends = _ticks_at(np.minimum(self.ends_beats[inside], beats) + first, bars)
        notes["onset_ticks"] = onsets
        notes["duration_ticks"] = np.maximum(ends - onsets, 1)
        chords = _ticks_at(self.chords_beats[self.chords_beats < beats] + first, bars)
        return notes, chords, int(_ticks_at(np.array([float(first + beats)]), bars)[0])


def in_key(notes: Notes, before: Key, now: Key) -> Notes:
    """The same notes moved from one key to another by the nearest way; drums stay.

    If the modes differ, thirds, sixths and sevenths move with them; a key without a mode changes none.
    """
    moves: dict[int, int] = {}
    if before.mode and now.mode and before.mode is not now.mode:
        moves = TO_MINOR if now.mode is Mode.MINOR else TO_MAJOR
    by_degree = np.array([moves.get(degree, 0) for degree in range(12)])
    transposed = (now.tonic - before.tonic + 5) % 12 - 5
    moved = notes.copy()
    pitched = notes["group"] != InstrumentGroup.DRUMS
    pitches = notes["pitch"].astype(np.int64)
    pitches = np.where(pitched, pitches + transposed + by_degree[(pitches - before.tonic) % 12], pitches)
    moved["pitch"] = np.clip(pitches, LOWEST_PITCH, HIGHEST_PITCH)
    return moved


def _whole_bars(bars: BarPlan, start_ticks: int, stop_ticks: int) -> tuple[int, int]:
    """First beat of the bar that begins at `start_ticks`, and how many beats of whole bars of four follow in time."""
    place = int(np.searchsorted(bars.bars_ticks, start_ticks))
    if place == len(bars.bars_ticks) or bars.bars_ticks[place] != start_ticks:
        return 0, 0
    first = int(bars.bar_beats[place])
    beats = 0
    for bar in range(place, min(place + THEME_BARS, len(bars.bar_beats) - 1)):
        next_beat = int(bars.bar_beats[bar + 1])
        if next_beat - first != beats + 4 or bars.bars_ticks[bar + 1] > stop_ticks:
            break
        beats += 4
    return first, beats


def _ticks_at(beats: Floats, bars: BarPlan) -> Ticks:
    ticks = np.interp(beats, np.arange(len(bars.beats_ticks)), bars.beats_ticks)
    return np.rint(ticks).astype(np.int64)
