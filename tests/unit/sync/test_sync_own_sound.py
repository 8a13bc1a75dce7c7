"""When a chord speaks by its own sound, on the patches of the product."""

from __future__ import annotations

import mido
import numpy as np
import pytest
from benchmarks.sync.own_sound import delays_s

from emsync.audio.performance import Performance
from emsync.types import PlayedMessage

PIANO, BASS, SLOW_STRINGS = 0, 33, 49


def performance(program: int, strokes: list[tuple[float, float, int]]) -> Performance:
    """Notes of one program: onset and end in seconds, pitch."""
    messages = [PlayedMessage(0.0, 0, mido.Message("program_change", program=program))]
    for onset_s, end_s, pitch in strokes:
        messages.append(PlayedMessage(onset_s, 0, mido.Message("note_on", note=pitch, velocity=90)))
        messages.append(PlayedMessage(end_s, 0, mido.Message("note_on", note=pitch, velocity=0)))
    return Performance(tuple(sorted(messages, key=lambda played: played.time_s)), ("notes",))


def chord(onset_s: float) -> list[tuple[float, float, int]]:
    return [(onset_s, onset_s + 2.0, pitch) for pitch in (60, 64, 67)]


def test_a_piano_speaks_within_ten_milliseconds_and_slow_strings_do_not() -> None:
    (piano,) = delays_s(performance(PIANO, chord(3.0)), [3.0])
    (strings,) = delays_s(performance(SLOW_STRINGS, chord(3.0)), [3.0])
    assert 0.0 <= piano < 0.01
    assert 0.05 < strings < 0.3


def test_what_is_played_ahead_and_speaks_quickly_is_heard_early() -> None:
    (high,) = delays_s(performance(BASS, [(3.0, 5.0, 55)]), [3.0])
    assert -0.02 < high < 0.0


def test_what_is_struck_just_before_or_after_a_chord_changes_nothing() -> None:
    alone = delays_s(performance(SLOW_STRINGS, chord(3.0)), [3.0])
    crowded = [*chord(3.0), (2.9, 3.2, 72), (3.1, 4.0, 48)]
    assert delays_s(performance(SLOW_STRINGS, crowded), [3.0]) == pytest.approx(alone, abs=1e-4)


def test_a_moment_at_which_nothing_is_struck_is_silent() -> None:
    first, second = delays_s(performance(PIANO, chord(3.0)), [2.0, 3.0])
    assert np.isnan(first)
    assert second < 0.01
