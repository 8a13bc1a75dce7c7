"""Read a MIDI file as a performance: the messages of its channels, each at its second.

The file may come from a DAW rather than from us, so nothing is assumed about its tracks and channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import mido

from emsync.errors import MidiError
from emsync.types import Message, PlayedMessage

TAIL_S = 4.0
"""Long enough for any release of a General MIDI font, and for the hall, to fall below hearing."""
CHANNELS = 16
DRUM_CHANNEL = 9
DEFAULT_TEMPO_US = 500_000
_UNREADABLE = (OSError, EOFError, ValueError, KeyError, IndexError, TypeError)


@dataclass(frozen=True, order=True)
class Program:
    """What a channel plays: a General MIDI program, zero-based, or a drum kit."""

    number: int
    is_drums: bool


@dataclass(frozen=True)
class Performance:
    """A MIDI file ready to be played: channel messages in playing order, names by track; at least one note."""

    messages: tuple[PlayedMessage, ...]
    track_names: tuple[str, ...]

    @property
    def onsets_s(self) -> tuple[float, ...]:
        """Onsets of all notes, increasing."""
        return tuple(played.time_s for played in self.messages if played.is_onset)

    @property
    def last_message_s(self) -> float:
        """Time of the last message, which in a sound file is the last release."""
        return self.messages[-1].time_s

    @property
    def end_s(self) -> float:
        """When everything has surely died away."""
        return self.last_message_s + TAIL_S

    @property
    def programs(self) -> frozenset[Program]:
        """The programs on which notes are struck."""
        numbers, struck = [0] * CHANNELS, set()
        for played in self.messages:
            message = played.message
            if message.type == "program_change":
                numbers[message.channel] = message.program
            elif played.is_onset:
                struck.add((message.channel == DRUM_CHANNEL, numbers[message.channel]))
        return frozenset(Program(number, is_drums) for is_drums, number in struck)

    @property
    def sounding_tracks(self) -> tuple[int, ...]:
        """Tracks that hold notes, increasing."""
        return tuple(sorted({played.track for played in self.messages if played.is_onset}))


def read_performance(midi_path: Path) -> Performance:
    """Read a Standard MIDI File of type 0 or 1.

    Raises: `MidiError` if the file is missing, unreadable, or holds no note.
    """
    midi = _open(midi_path)
    messages = tuple(played for played in _timed_messages(midi) if hasattr(played.message, "channel"))
    if not any(played.is_onset for played in messages):
        raise MidiError(f"{midi_path} holds no notes, so there is nothing to render")
    return Performance(messages, tuple(track.name.strip() for track in midi.tracks))


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


def _timed_messages(midi: mido.MidiFile) -> list[PlayedMessage]:
    """All messages in playing order, each with its second by the file's tempo map."""
    ordered: list[tuple[int, int, Message]] = []
    for index, track in enumerate(midi.tracks):
        ticks = 0
        for message in track:
            ticks += message.time
            ordered.append((ticks, index, message))
    ordered.sort(key=lambda item: item[0])
    timed, time, last_ticks, tempo_us = [], 0, 0, DEFAULT_TEMPO_US
    ticks_per_s = (
        midi.ticks_per_beat * 1_000_000
    )  # of `time`, which stays whole: microseconds times ticks per beat
    for ticks, index, message in ordered:
        time += (ticks - last_ticks) * tempo_us
        last_ticks = ticks
        if message.type == "set_tempo":
            tempo_us = message.tempo
        timed.append(PlayedMessage(time / ticks_per_s, index, message))
    return timed
