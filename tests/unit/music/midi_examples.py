"""Compositions for the MIDI tests, and an exact reader to hold files against."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import Any

import mido
import numpy as np

from emsync.types import (
    NOTE_DTYPE,
    AffectCurve,
    AffectPoint,
    Composition,
    CueSheet,
    InstrumentGroup,
    Notes,
)

FLAT = AffectCurve((AffectPoint(0.0, 0.0, 0.0),))


def notes_of(*rows: tuple[int, int, InstrumentGroup, int, int]) -> Notes:
    return np.sort(np.array(list(rows), NOTE_DTYPE), order=["onset_ticks", "group", "pitch"])


def random_notes(generator: np.random.Generator, end_ticks: int, count: int) -> Notes:
    """Notes that never overlap in their group and pitch; a third is struck again just as it ends."""
    rows = []
    for group in InstrumentGroup:
        pitches = (36, 60, 61, 100)
        for pitch in pitches:
            edges = np.unique(generator.integers(0, end_ticks, 2 * count // (5 * len(pitches))))
            for onset, end in pairwise(edges.tolist()):
                if generator.random() < 0.5:
                    velocity = int(generator.integers(1, 128))
                    rows.append((onset, end - onset, group, pitch, velocity))
    return notes_of(*rows)


def random_bars(generator: np.random.Generator, end_ticks: int) -> tuple[int, ...]:
    """Bars of 0.2 to 5 s, some missing."""
    onsets = np.cumsum(generator.integers(25, 625, end_ticks // 300))
    kept = onsets[(onsets < end_ticks) & (generator.random(len(onsets)) < 0.9)]
    return tuple(int(onset) for onset in kept)


def composition_of(notes: Notes, bars: tuple[int, ...], duration_ticks: int) -> Composition:
    return Composition(
        notes=notes,
        bar_onsets_ticks=bars,
        chord_onsets_ticks=(),
        duration_ticks=duration_ticks,
        hits=(),
        seed=7,
        weights_sha256="ab" * 32,
    )


def cue_sheet_of(duration_s: float, title: str = "Film") -> CueSheet:
    return CueSheet(
        title=title,
        duration_s=duration_s,
        frame_rate_fps=Fraction(25),
        cuts=(),
        shots=(),
        boundaries=(),
        dropped=(),
        affect=FLAT,
    )


def absolute(file: mido.MidiFile, track: mido.MidiTrack) -> list[tuple[float, Any]]:
    """Seconds and message, in exact arithmetic through the file's own tempo map."""
    tempi, now = [], 0
    for message in file.tracks[0]:
        now += message.time
        if message.type == "set_tempo":
            tempi.append((now, message.tempo))
    result, now = [], 0
    position, seconds, start, tempo = 0, Fraction(0), 0, 500_000
    for message in track:
        now += message.time
        while position < len(tempi) and tempi[position][0] <= now:
            seconds += Fraction((tempi[position][0] - start) * tempo, file.ticks_per_beat * 1_000_000)
            start, tempo = tempi[position]
            position += 1
        at = seconds + Fraction((now - start) * tempo, file.ticks_per_beat * 1_000_000)
        result.append((float(at), message))
    return result


def heard(file: mido.MidiFile) -> list[tuple[float, float, int, int, int]]:
    """(onset, end, channel, pitch, velocity) as a synthesiser hears them, in order of time."""
    notes = []
    for track in file.tracks[1:]:
        sounding: dict[int, tuple[float, int]] = {}
        for at, message in absolute(file, track):
            if message.type == "note_on":
                assert message.note not in sounding, "a note was struck while it sounded"
                sounding[message.note] = (at, message.velocity)
            elif message.type == "note_off":
                onset, velocity = sounding.pop(message.note)
                notes.append((onset, at, message.channel, message.note, velocity))
        assert not sounding, "a note never ends"
    return sorted(notes, key=lambda note: (note[2], note[3], note[0]))


def expected(notes: Notes) -> list[tuple[float, float, int, int, int]]:
    channel = {0: 9, 1: 0, 2: 1, 3: 2, 4: 3}
    rows = [
        (on * 0.008, (on + length) * 0.008, channel[group], pitch, velocity)
        for on, length, group, pitch, velocity in notes.tolist()
    ]
    return sorted(rows, key=lambda note: (note[2], note[3], note[0]))


def assert_same(
    got: list[tuple[float, float, int, int, int]],
    want: list[tuple[float, float, int, int, int]],
    within_s: float = 0.001,
) -> None:
    assert [row[2:] for row in got] == [row[2:] for row in want]
    got_s, want_s = np.array(got)[:, :2], np.array(want)[:, :2]
    assert np.abs(got_s - want_s).max() <= within_s


def in_order(rows: list[tuple[float, float, int, int, int]]) -> list[tuple[float, float, int, int, int]]:
    return sorted(rows, key=lambda note: (note[2], note[3], note[0]))


def one_note_per_group() -> Notes:
    return notes_of(*((100 * group, 50, group, 40, 80) for group in InstrumentGroup))
