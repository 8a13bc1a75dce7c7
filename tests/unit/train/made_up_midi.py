"""MIDI files of made-up music, written event by event."""

from __future__ import annotations

from pathlib import Path

import mido

QUARTER = 480
Change = tuple[int, str, dict[str, int]]


def write_midi(
    path: Path,
    *,
    changes: list[Change] | None = None,
    channel: int = 0,
    program: int = 0,
    onsets: list[int] | None = None,
    length: int = QUARTER,
    pitch: int = 60,
    velocities: tuple[int, ...] = (70,),
) -> Path:
    """One track of equal notes; `changes` are (MIDI tick, kind of meta message, its fields)."""
    onsets = [QUARTER * beat for beat in range(32)] if onsets is None else onsets
    timed = [(at, 0, mido.MetaMessage(kind, **fields)) for at, kind, fields in changes or []]
    timed.append((0, 0, mido.Message("program_change", channel=channel, program=program)))
    for number, onset in enumerate(onsets):
        velocity = velocities[number % len(velocities)]
        timed.append((onset, 2, mido.Message("note_on", channel=channel, note=pitch, velocity=velocity)))
        timed.append((onset + length, 1, mido.Message("note_off", channel=channel, note=pitch)))
    path.parent.mkdir(parents=True, exist_ok=True)
    mido.MidiFile(type=1, ticks_per_beat=QUARTER, tracks=[_track(timed)]).save(path)
    return path


def add_track(path: Path, program: int, notes: list[tuple[int, int, int]], channel: int = 1) -> None:
    """Another track in the file: notes are (pitch, onset, end) in MIDI ticks."""
    file = mido.MidiFile(path)
    timed = [(0, 0, mido.Message("program_change", channel=channel, program=program))]
    for pitch, onset, end in notes:
        timed.append((onset, 2, mido.Message("note_on", channel=channel, note=pitch, velocity=70)))
        timed.append((end, 1, mido.Message("note_off", channel=channel, note=pitch)))
    file.tracks.append(_track(timed))
    file.save(path)


def tempo(at: int, bpm: float) -> Change:
    """A tempo in quarter notes a minute."""
    return (at, "set_tempo", {"tempo": round(60e6 / bpm)})


def meter(at: int, numerator: int, denominator: int) -> Change:
    """A time signature."""
    return (at, "time_signature", {"numerator": numerator, "denominator": denominator})


def _track(timed: list[tuple[int, int, mido.Message | mido.MetaMessage]]) -> mido.MidiTrack:
    track, now = mido.MidiTrack(), 0
    for at, _, message in sorted(timed, key=lambda event: event[:2]):
        track.append(message.copy(time=at - now))
        now = at
    return track
