"""What the MIDI file of a score will say, told while the score is still being written.

Whoever plays it must be sure: a note is told once nothing can change it or how hard it is struck any more, two seconds
after it was written. The last chord and what follows are not told; the file says them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import NamedTuple

import mido
import numpy as np

from emsync.music.dynamics import shape_dynamics
from emsync.music.hits import ANSWER_WINDOW_S, hits_of
from emsync.music.midi_file import midi_ticks_at, setup_messages
from emsync.music.midi_groups import PLAYERS
from emsync.music.midi_tempo import tempo_map_of_grid
from emsync.music.score_plan import ScorePlan
from emsync.music.tokenizer import DRUM_HIT_TICKS, VELOCITIES
from emsync.music.vocabulary import LOWEST_PITCH, PITCHES, Vocabulary
from emsync.types import NOTE_DTYPE, TICK_S, TICKS_PER_S, InstrumentGroup, PlayedMessage, Ticks

Hearer = Callable[[Sequence[PlayedMessage]], None]
"""Whoever is told messages in playing order."""
CERTAIN_AFTER_TICKS = round(2 * ANSWER_WINDOW_S * TICKS_PER_S)
"""A chord may answer a boundary one window away, unless another chord, one more window away, is nearer to it."""
_TOLD_EVERY_TICKS = TICKS_PER_S
_OFF, _ON = range(2)


class _Stroke(NamedTuple):
    """A note that began, in the order in which notes of one group lie in a file."""

    onset_ticks: int
    group: int
    pitch: int
    velocity: int


class MessagesAhead:
    """The messages of one score with planned bars, whose tokens are read as they are written.

    `hear` is given messages in playing order, first of all how every player is set up, whether it will play or not.
    """

    def __init__(self, plan: ScorePlan, vocabulary: Vocabulary, hear: Hearer) -> None:
        """Raises: ValueError if no bars are planned: the tempo map is not known before the last bar then."""
        if plan.bars.grid is None:
            raise ValueError("what a file will say is known ahead only where bars are planned")
        self._plan, self._vocabulary, self._hear = plan, vocabulary, hear
        self._grid, self._tempo_map = plan.bars.grid, tempo_map_of_grid(plan.bars.grid)
        self._boundaries_s = [boundary.time_s for boundary in plan.cue_sheet.boundaries]
        self._tokens_read = self._now_ticks = self._told_ticks = 0
        self._sounding: dict[int, _Stroke] = {}
        self._begun: list[_Stroke] = []
        self._ended: list[tuple[int, _Stroke]] = []
        self._bars_ticks: list[int] = []
        self._chords_ticks: list[int] = []
        self._to_tell_first = [
            PlayedMessage(0.0, _track_of(group), message)
            for group, player in PLAYERS.items()
            for message in setup_messages(player)
            if not message.is_meta
        ]

    def accept(self, tokens: Sequence[int], now_ticks: int) -> None:
        """Hear of the tokens of the score so far; the last of them is a time shift that leads to `now_ticks`."""
        certain_ticks = min(now_ticks, self._plan.ending.chord_ticks) - CERTAIN_AFTER_TICKS
        if certain_ticks < self._told_ticks + _TOLD_EVERY_TICKS:
            return
        self._read(np.array(tokens[self._tokens_read :], np.int64))
        self._tokens_read = len(tokens)
        self._hear([*self._to_tell_first, *self._certain(certain_ticks)])
        self._to_tell_first = []
        self._told_ticks = certain_ticks
        self._forget(certain_ticks)

    def _read(self, tokens: Ticks) -> None:
        vocabulary, shift = self._vocabulary, self._vocabulary.time_shift
        moments = {
            vocabulary.special("BAR"): self._bars_ticks,
            vocabulary.special("CHORD"): self._chords_ticks,
        }
        levels = np.searchsorted([on.first for on in vocabulary.ons], tokens, side="right") - 1
        columns = (tokens, vocabulary.notes_of(tokens), vocabulary.is_on(tokens), levels)
        for token, note, is_on, level in zip(*(column.tolist() for column in columns), strict=True):
            if token in shift:
                self._now_ticks += token - shift.first + 1
            elif token in moments:
                moments[token].append(self._now_ticks)
            elif note >= 0:
                self._end(note)
                if is_on:
                    group, pitch = divmod(note, PITCHES)
                    stroke = _Stroke(self._now_ticks, group, pitch + LOWEST_PITCH, VELOCITIES[level])
                    self._begun.append(stroke)
                    self._sounding[note] = stroke

    def _end(self, note: int) -> None:
        """If a note sounds, it ends now at the latest."""
        stroke = self._sounding.pop(note, None)
        if stroke is not None:
            self._ended.append((min(self._now_ticks, self._latest_end(stroke)), stroke))

    def _latest_end(self, stroke: _Stroke) -> int:
        """When a note ends unless something ends it before: drums without OFF end by themselves."""
        has_off = stroke.group in self._vocabulary.off_groups
        return self._plan.end_ticks if has_off else stroke.onset_ticks + DRUM_HIT_TICKS

    def _certain(self, certain_ticks: int) -> list[PlayedMessage]:
        """What was not told yet and is played before `certain_ticks`, in the order of a file."""
        for note, stroke in list(self._sounding.items()):
            if self._latest_end(stroke) < certain_ticks:
                self._end(note)
        begun = [stroke for stroke in self._begun if stroke.onset_ticks < certain_ticks]
        ended = [(ticks, stroke) for ticks, stroke in self._ended if ticks < certain_ticks]
        velocities = self._velocities(begun, certain_ticks)
        moments = [(ticks, _OFF, stroke, 0) for ticks, stroke in ended]
        moments += [
            (stroke.onset_ticks, _ON, stroke, velocity)
            for stroke, velocity in zip(begun, velocities, strict=True)
        ]
        times_ticks = np.array([ticks for ticks, *_ in moments], np.int64)
        midi_ticks = midi_ticks_at(times_ticks, self._tempo_map, self._grid)
        times_s = self._tempo_map.seconds_at(midi_ticks)
        events = [
            (ticks, stroke.group, kind, stroke, velocity, time_s)
            for ticks, time_s, (_, kind, stroke, velocity) in zip(
                midi_ticks.tolist(), times_s.tolist(), moments, strict=True
            )
        ]
        return [
            PlayedMessage(time_s, _track_of(group), _message(stroke, kind, velocity))
            for _, group, kind, stroke, velocity, time_s in sorted(events)
        ]

    def _velocities(self, strokes: Sequence[_Stroke], certain_ticks: int) -> list[int]:
        """How hard notes are struck, once their affect, their chords and what these answer are heard."""
        notes = np.zeros(len(strokes), NOTE_DTYPE)
        notes["onset_ticks"], notes["group"], notes["pitch"], notes["velocity"] = (
            np.array(strokes, np.int64).reshape(-1, 4).T
        )
        cue_sheet, reach_ticks = self._plan.cue_sheet, 2 * CERTAIN_AFTER_TICKS
        first = bisect_left(self._boundaries_s, (self._told_ticks - reach_ticks) * TICK_S)
        last = bisect_left(self._boundaries_s, (certain_ticks + reach_ticks) * TICK_S)
        shaped = shape_dynamics(
            notes,
            affect=cue_sheet.affect,
            chord_onsets_ticks=self._chords_ticks,
            hits=hits_of(cue_sheet.boundaries[first:last], self._chords_ticks),
            bar_onsets_ticks=self._bars_ticks,
        )
        return [int(velocity) for velocity in shaped["velocity"]]

    def _forget(self, told_ticks: int) -> None:
        """What was told, and what can no longer matter."""
        self._begun = [stroke for stroke in self._begun if stroke.onset_ticks >= told_ticks]
        self._ended = [(ticks, stroke) for ticks, stroke in self._ended if ticks >= told_ticks]
        for moments in (self._bars_ticks, self._chords_ticks):
            del moments[: bisect_left(moments, told_ticks - 2 * CERTAIN_AFTER_TICKS)]


def _track_of(group: int) -> int:
    """Track of a group in a file where all play; the conductor's comes first."""
    return 1 + list(PLAYERS).index(InstrumentGroup(group))


def _message(stroke: _Stroke, kind: int, velocity: int) -> mido.Message:
    channel = PLAYERS[InstrumentGroup(stroke.group)].channel
    if kind == _ON:
        return mido.Message("note_on", channel=channel, note=stroke.pitch, velocity=velocity)
    return mido.Message("note_off", channel=channel, note=stroke.pitch)
