"""A score that is kept: its messages as they lie in the file, its notes on the tick grid, its beats and bars.

The file may have been edited in a DAW. Notes fold into the five groups as `read_midi` folds them, but each still knows
its two messages, so that it can be taken out.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import mido
import numpy as np
from symusic.core import ScoreTick

from emsync.errors import MidiError
from emsync.music.bar_plan import BarPlan
from emsync.music.midi_file import read_score, seconds_at
from emsync.music.midi_groups import DRUM_CHANNEL, group_of_track
from emsync.music.midi_tempo import DEFAULT_TEMPO_US, TempoMap, TempoSpan
from emsync.music.overlaps import without_overlaps
from emsync.types import NOTE_DTYPE, TICKS_PER_S, Floats, InstrumentGroup, Notes, Ticks

LENGTH_TOLERANCE = 0.01
LENGTH_TOLERANCE_S = 1.0
"""A score belongs to a film if it is at most 1 % or 1 s, whichever is more, longer or shorter."""
MOST_BEATS = 200_000


@dataclass(frozen=True)
class Lane:
    """Where notes of one pitch lie: in one track, on one channel."""

    track: int
    channel: int
    pitch: int


@dataclass(frozen=True)
class KeptNote:
    """A note and the places of its two messages in its track; MIDI ticks."""

    lane: Lane
    group: InstrumentGroup
    velocity: int
    onset: int
    end: int
    places: tuple[int, int]


@dataclass(frozen=True)
class KeptScore:
    """A MIDI file of format 0 or 1, read for editing."""

    path: Path
    file: mido.MidiFile
    tempo: ScoreTick
    kept_notes: tuple[KeptNote, ...]

    @classmethod
    def read(cls, path: Path) -> KeptScore:
        """Read a file. Raises: MidiError as `read_midi` does."""
        tempo = read_score(path)
        try:
            file = mido.MidiFile(path, charset="latin-1")  # every byte of a text comes back as it was
        except (OSError, EOFError, ValueError, KeyError, IndexError, mido.KeySignatureError) as error:
            raise MidiError(f"{path}: is damaged and cannot be read as MIDI; export it again") from error
        notes = [note for number, track in enumerate(file.tracks) for note in _notes_of_track(number, track)]
        if not notes:
            raise MidiError(f"{path}: holds no notes; give a file with music in it")
        return cls(path, file, tempo, tuple(notes))

    def check_length(self, duration_s: float) -> None:
        """Raise MidiError if this is not the score of a film of that length."""
        last = max(note.end for note in self.kept_notes)
        ends = [sum(message.time for message in track) for track in self.file.tracks]
        lengths_s = self.seconds_at(np.array([last, max(ends)]))
        tolerance_s = max(LENGTH_TOLERANCE_S, LENGTH_TOLERANCE * duration_s)
        if np.abs(lengths_s - duration_s).min() > tolerance_s:
            raise MidiError(
                f"{self.path}: lasts {lengths_s[1]:.1f} s and the film {duration_s:.1f} s, so it is the score of "
                "another film; give the score of this one with --keep"
            )

    def seconds_at(self, midi_ticks: Ticks | Floats) -> Floats:
        """Seconds of MIDI ticks, which need not be whole."""
        return seconds_at(midi_ticks, self.tempo)  # type: ignore[arg-type]

    def ticks_at(self, midi_ticks: Ticks) -> Ticks:
        """The nearest tick of 8 ms of each MIDI tick, as `read_midi` rounds."""
        return np.floor(self.seconds_at(midi_ticks) * TICKS_PER_S + 0.5).astype(np.int64)

    @cached_property
    def onsets_ticks(self) -> Ticks:
        """Onsets of `kept_notes` on the tick grid."""
        return self.ticks_at(np.array([note.onset for note in self.kept_notes]))

    @cached_property
    def notes(self) -> Notes:
        """The notes as `read_midi` gives them."""
        notes = np.zeros(len(self.kept_notes), NOTE_DTYPE)
        ends_ticks = self.ticks_at(np.array([note.end for note in self.kept_notes]))
        notes["onset_ticks"] = self.onsets_ticks
        notes["duration_ticks"] = np.maximum(ends_ticks - self.onsets_ticks, 1)
        notes["group"] = [note.group for note in self.kept_notes]
        notes["pitch"] = [note.lane.pitch for note in self.kept_notes]
        notes["velocity"] = [note.velocity for note in self.kept_notes]
        return without_overlaps(notes)

    @cached_property
    def tempo_map(self) -> TempoMap:
        """From time to MIDI ticks."""
        changes = {0: DEFAULT_TEMPO_US}
        changes.update(
            (tempo.time, tempo.mspq) for tempo in sorted(self.tempo.tempos, key=lambda one: one.time)
        )
        spans: list[TempoSpan] = []
        time = 0
        for start, tempo_us in sorted(changes.items()):
            if spans:
                time += (start - spans[-1].start_ticks) * spans[-1].tempo_us
            spans.append(TempoSpan(start, time, tempo_us, 4, 4))
        return TempoMap(tuple(spans), self.tempo.ticks_per_quarter)

    def bars(self, end_ticks: int) -> BarPlan:
        """Beats and bars of the file up to but not at `end_ticks`. Raises: MidiError if there are absurdly many."""
        meters = {0: (4, 4)}
        for one in sorted(self.tempo.time_signatures, key=lambda one: one.time):
            meters[one.time] = (max(one.numerator, 1), max(one.denominator, 1))
        end = int(self.tempo_map.ticks_at(np.array(end_ticks * 1_000_000 // TICKS_PER_S)))
        starts = sorted(start for start in meters if start < end)
        beats: list[float] = []
        bar_beats: list[int] = []
        for start, stop in zip(starts, [*starts[1:], end], strict=True):
            numerator, denominator = meters[start]
            length = self.tempo.ticks_per_quarter * 4 / denominator
            count = int(np.ceil((stop - start) / length))
            if len(beats) + count > MOST_BEATS:
                raise MidiError(f"{self.path}: its tempo is too fast to be meant; set another")
            bar_beats += range(len(beats), len(beats) + count, numerator)
            beats += [start + length * number for number in range(count)]
        beats_ticks = self.seconds_at(np.array(beats)) * TICKS_PER_S
        return _plan(beats_ticks, np.array(bar_beats, np.int64), end_ticks)


def _plan(beats_ticks: Floats, bar_beats: Ticks, end_ticks: int) -> BarPlan:
    """A plan without what lies at the end or later, and without bars that begin at one tick."""
    count = int(np.searchsorted(np.rint(beats_ticks), end_ticks))
    bar_beats = bar_beats[bar_beats < count]
    begun = np.rint(beats_ticks[bar_beats])
    return BarPlan(beats_ticks[:count], bar_beats[np.diff(begun, prepend=-1) > 0])


def _notes_of_track(number: int, track: Any) -> list[KeptNote]:
    """The notes of a track in order of their ends; of one pitch, the note struck first ends first."""
    name, now = "", 0
    programs: dict[int, int] = defaultdict(int)
    sounding: dict[tuple[int, int], list[tuple[int, int, int, InstrumentGroup]]] = defaultdict(list)
    notes = []
    for place, message in enumerate(track):
        now += message.time
        if message.type == "track_name":
            name = message.name
        elif message.type == "program_change":
            programs[message.channel] = message.program
        elif message.type == "note_on" and message.velocity > 0:
            channel = message.channel
            group = group_of_track(programs[channel], channel == DRUM_CHANNEL, name)
            sounding[channel, message.note].append((place, now, message.velocity, group))
        elif message.type in ("note_on", "note_off") and sounding[message.channel, message.note]:
            begun, onset, velocity, group = sounding[message.channel, message.note].pop(0)
            lane = Lane(number, message.channel, message.note)
            notes.append(KeptNote(lane, group, velocity, onset, now, (begun, place)))
    return notes
