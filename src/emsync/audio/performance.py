"""Read a MIDI file as a performance: notes in seconds, with the controllers that shape them.

The file may come from a DAW rather than from us, so everything a player of General MIDI is expected to
obey is obeyed here: tempo map, programs and banks, volume, expression, pan, pitch bend and its range,
sustain pedal, reverb send, all-notes-off. A sustain pedal is resolved into longer notes.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import mido
import numpy as np
from numpy.typing import NDArray

from emsync.errors import MidiError

Message: TypeAlias = Any
"""A mido message: its fields depend on its type, so the type checker cannot know them."""

DRUM_CHANNEL = 9
DEFAULT_TEMPO_US = 500_000
RAMP_S = 0.01
"""Controller steps are smoothed over this time, or each would click."""

_BANK, _VOLUME, _PAN, _EXPRESSION, _PEDAL, _REVERB = 0, 7, 10, 11, 64, 91
_DATA_ENTRY, _RPN_LOW, _RPN_HIGH = 6, 100, 101
_ALL_SOUND_OFF, _RESET, _ALL_NOTES_OFF = 120, 121, 123
_DEFAULTS = {_BANK: 0, _VOLUME: 100, _PAN: 64, _EXPRESSION: 127, _PEDAL: 0, _REVERB: 40}
_RPN_NONE = 127
_UNREADABLE = (OSError, EOFError, ValueError, KeyError, IndexError, TypeError)


@dataclass(frozen=True)
class ScoreNote:
    """One note as it is played; times in seconds from the start of the file."""

    onset_s: float
    release_s: float
    key: int
    velocity: int
    channel: int
    track: int
    bank: int
    program: int


@dataclass
class Curve:
    """A controller over time: steps, smoothed over `RAMP_S`."""

    times_s: list[float]
    values: list[float]

    def step(self, time_s: float, value: float) -> None:
        """Set a new value from `time_s` on; times must not decrease."""
        if time_s <= self.times_s[-1]:
            self.values[-1] = value
        elif value != self.values[-1]:
            self.times_s.append(time_s)
            self.values.append(value)

    def between(self, start_s: float, frames: int, rate_hz: int) -> float | NDArray[np.float32]:
        """Values of `frames` frames from `start_s`: one number while nothing changes, else shape (frames,)."""
        stop_s = start_s + frames / rate_hz
        first = int(np.searchsorted(self.times_s, start_s - RAMP_S, side="right")) - 1
        last = int(np.searchsorted(self.times_s, stop_s, side="left"))
        if last - first <= 1:
            return self.values[max(first, 0)]
        xs, ys = [start_s - 1.0], [self.values[max(first, 0)]]
        for time_s, value in zip(self.times_s[first + 1 : last], self.values[first + 1 : last], strict=True):
            xs += [max(time_s, xs[-1]), max(time_s, xs[-1]) + RAMP_S]
            ys += [ys[-1], value]
        times_s = start_s + np.arange(frames) / rate_hz
        return np.interp(times_s, xs, ys).astype(np.float32)


@dataclass
class Automation:
    """What a channel's controllers ask for over time.

    `gain` is linear, 1 is full volume; `pan` in [-1, 1]; `bend_cents` of the pitch wheel; `reverb` in [0, 1].
    """

    gain: Curve
    pan: Curve
    bend_cents: Curve
    reverb: Curve


@dataclass(frozen=True)
class Performance:
    """A MIDI file ready to be played: notes by onset, automation by channel, names by track."""

    notes: tuple[ScoreNote, ...]
    automation: dict[int, Automation]
    track_names: tuple[str, ...]

    @property
    def last_onset_s(self) -> float:
        """Onset of the last note."""
        return self.notes[-1].onset_s


def read_performance(midi_path: Path) -> Performance:
    """Read a Standard MIDI File of type 0 or 1.

    A key struck again while it sounds ends the earlier note; a note that is never released ends with the
    file. Raises `MidiError` if the file is missing, unreadable, or holds no note.
    """
    midi = _open(midi_path)
    player = _Player()
    for time_s, track, message in _timed_messages(midi):
        player.play(time_s, track, message)
    notes = player.finish()
    if not notes:
        raise MidiError(f"{midi_path} holds no notes, so there is nothing to render")
    names = tuple(track.name.strip() for track in midi.tracks)
    return Performance(notes, dict(player.automation), names)


def _open(midi_path: Path) -> mido.MidiFile:
    try:
        midi = mido.MidiFile(str(midi_path), clip=True)
    except FileNotFoundError as error:
        raise MidiError(f"there is no MIDI file at {midi_path}") from error
    except _UNREADABLE as error:
        raise MidiError(f"{midi_path} cannot be read as a MIDI file; export it again as .mid") from error
    if midi.ticks_per_beat <= 0 or midi.type == 2:
        raise MidiError(
            f"{midi_path} counts time in SMPTE frames or holds independent sequences; "
            "export it again as type 1 with ticks per beat"
        )
    return midi


def _timed_messages(midi: mido.MidiFile) -> list[tuple[float, int, Message]]:
    """All messages with their time in seconds and their track, in playing order."""
    ordered: list[tuple[int, int, Message]] = []
    for index, track in enumerate(midi.tracks):
        ticks = 0
        for message in track:
            ticks += message.time
            ordered.append((ticks, index, message))
    ordered.sort(key=lambda item: item[0])
    timed, seconds, last_ticks, tempo_us = [], 0.0, 0, DEFAULT_TEMPO_US
    for ticks, index, message in ordered:
        seconds += (ticks - last_ticks) * tempo_us * 1e-6 / midi.ticks_per_beat
        last_ticks = ticks
        if message.type == "set_tempo":
            tempo_us = message.tempo
        timed.append((seconds, index, message))
    return timed


@dataclass
class _Sounding:
    """A note whose release has not come yet. `is_held` once only the pedal keeps it."""

    onset_s: float
    velocity: int
    bank: int
    program: int
    is_held: bool = False


@dataclass
class _Channel:
    """Controller state of one channel while the file is read."""

    program: int = 0
    controls: dict[int, int] = field(default_factory=lambda: dict(_DEFAULTS))
    rpn: tuple[int, int] = (_RPN_NONE, _RPN_NONE)
    bend: int = 0
    bend_range_semitones: float = 2.0


class _Player:
    """Turns messages into notes and automation, as a receiving instrument would."""

    def __init__(self) -> None:
        self.automation: dict[int, Automation] = defaultdict(_default_automation)
        self._channels: dict[int, _Channel] = defaultdict(_Channel)
        self._sounding: dict[tuple[int, int, int], _Sounding] = {}
        self._notes: list[ScoreNote] = []
        self._now_s = 0.0

    def play(self, time_s: float, track: int, message: Message) -> None:
        """Take one message. Times must not decrease."""
        self._now_s = time_s
        if message.type == "note_on" and message.velocity > 0:
            self._strike(track, message)
        elif message.type in ("note_on", "note_off"):
            self._let_go((track, message.channel, message.note))
        elif message.type == "program_change":
            self._channels[message.channel].program = message.program
        elif message.type == "control_change":
            self._control(message.channel, message.control, message.value)
        elif message.type == "pitchwheel":
            self._channels[message.channel].bend = message.pitch
            self._bend(message.channel)

    def finish(self) -> tuple[ScoreNote, ...]:
        """End what still sounds; all notes by onset, then channel, then key."""
        for where in list(self._sounding):
            self._end(where)
        return tuple(sorted(self._notes, key=lambda note: (note.onset_s, note.channel, note.key)))

    def _strike(self, track: int, message: Message) -> None:
        where = (track, message.channel, message.note)
        if where in self._sounding:
            self._end(where)
        channel = self._channels[message.channel]
        _ = self.automation[message.channel]
        self._sounding[where] = _Sounding(
            self._now_s, message.velocity, channel.controls[_BANK], channel.program
        )

    def _let_go(self, where: tuple[int, int, int]) -> None:
        if where not in self._sounding:
            return
        if self._channels[where[1]].controls[_PEDAL] >= 64:
            self._sounding[where].is_held = True
        else:
            self._end(where)

    def _end(self, where: tuple[int, int, int]) -> None:
        track, channel, key = where
        note = self._sounding.pop(where)
        self._notes.append(
            ScoreNote(note.onset_s, self._now_s, key, note.velocity, channel, track, note.bank, note.program)
        )

    def _end_channel(self, channel: int, *, held_only: bool) -> None:
        for where, note in list(self._sounding.items()):
            if where[1] == channel and (note.is_held or not held_only):
                self._end(where)

    def _control(self, number: int, control: int, value: int) -> None:
        channel = self._channels[number]
        if control == _RESET:
            channel.controls.update({_EXPRESSION: 127, _PEDAL: 0})
            channel.bend, channel.rpn = 0, (_RPN_NONE, _RPN_NONE)
            self._end_channel(number, held_only=True)
        elif control in (_ALL_SOUND_OFF, _ALL_NOTES_OFF):
            self._end_channel(number, held_only=False)
        elif control == _RPN_HIGH:
            channel.rpn = (value, channel.rpn[1])
        elif control == _RPN_LOW:
            channel.rpn = (channel.rpn[0], value)
        elif control == _DATA_ENTRY and channel.rpn == (0, 0):
            channel.bend_range_semitones = float(value)
        elif control in channel.controls:
            channel.controls[control] = value
            if control == _PEDAL and value < 64:
                self._end_channel(number, held_only=True)
        self._mark(number)

    def _mark(self, number: int) -> None:
        controls, curves = self._channels[number].controls, self.automation[number]
        gain = (controls[_VOLUME] / 127 * controls[_EXPRESSION] / 127) ** 2
        curves.gain.step(self._now_s, gain)
        curves.pan.step(self._now_s, max((controls[_PAN] - 64) / 63, -1.0))
        curves.reverb.step(self._now_s, controls[_REVERB] / 127)
        self._bend(number)

    def _bend(self, number: int) -> None:
        channel = self._channels[number]
        cents = channel.bend / 8192 * channel.bend_range_semitones * 100
        self.automation[number].bend_cents.step(self._now_s, cents)


def _default_automation() -> Automation:
    gain = (_DEFAULTS[_VOLUME] / 127) ** 2
    return Automation(
        gain=Curve([0.0], [gain]),
        pan=Curve([0.0], [0.0]),
        bend_cents=Curve([0.0], [0.0]),
        reverb=Curve([0.0], [_DEFAULTS[_REVERB] / 127]),
    )
