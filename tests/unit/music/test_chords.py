"""Which struck notes are a chord that could answer a boundary."""

from __future__ import annotations

import numpy as np
import pytest
from midi_examples import notes_of

from emsync.music.chords import beats_at, chord_onsets
from emsync.types import NOTE_DTYPE, InstrumentGroup

DRUMS, BASS, GUITAR, PIANO, STRINGS = InstrumentGroup
BEATS = np.arange(0, 1000, 50)
TRIAD = (60, 64, 67)
Row = tuple[int, int, InstrumentGroup, int, int]


def triad(onset: int, duration: int, group: InstrumentGroup = PIANO) -> list[Row]:
    return [(onset, duration, group, pitch, 80) for pitch in TRIAD]


def chords_of(*rows: Row, beats: np.ndarray = BEATS) -> list[int]:
    return chord_onsets(notes_of(*rows), beats).tolist()


def test_three_pitches_held_two_beats_are_a_chord() -> None:
    assert chords_of(*triad(200, 100)) == [200]


def test_two_pitches_are_none_even_in_three_voices() -> None:
    assert chords_of(*triad(200, 100)[:2], (200, 100, STRINGS, 60, 80)) == []


def test_pitches_of_several_groups_count_together() -> None:
    assert chords_of((200, 100, BASS, 40, 80), (200, 100, PIANO, 60, 80), (200, 100, STRINGS, 64, 80)) == [
        200
    ]


@pytest.mark.parametrize(("duration", "expected"), [(84, []), (85, [200])])
def test_a_chord_may_be_released_15_percent_early_and_not_more(duration: int, expected: list[int]) -> None:
    assert chords_of(*triad(200, duration)) == expected


def test_a_short_note_among_three_held_ones_does_not_matter() -> None:
    assert chords_of(*triad(200, 100), (200, 5, PIANO, 72, 80)) == [200]


def test_two_held_pitches_and_a_short_one_are_no_chord() -> None:
    assert chords_of(*triad(200, 100)[:2], (200, 5, PIANO, 72, 80)) == []


def test_a_rolled_chord_counts_from_its_first_note() -> None:
    assert chords_of(
        (200, 100, PIANO, 60, 80),
        (205, 100, PIANO, 64, 80),
        (210, 100, PIANO, 67, 80),
        (400, 9, PIANO, 67, 80),
    ) == [200]


def test_notes_six_ticks_apart_are_not_struck_together() -> None:
    assert chords_of((200, 100, PIANO, 60, 80), (206, 100, PIANO, 64, 80), (212, 100, PIANO, 67, 80)) == []


def test_a_chord_begins_with_a_short_note_that_is_struck_with_it() -> None:
    assert chords_of((196, 5, PIANO, 40, 80), *triad(200, 100)) == [196]


def test_drums_are_never_part_of_a_chord() -> None:
    assert chords_of(*triad(200, 100, DRUMS)) == []
    assert chords_of(*triad(200, 100)[:2], (200, 100, DRUMS, 38, 80)) == []


def test_chords_come_in_order_of_time_once_each() -> None:
    found = chords_of(*triad(400, 100), *triad(0, 100), *triad(0, 100, STRINGS), *triad(200, 20))
    assert found == [0, 400]


def test_length_is_measured_in_beats_where_the_chord_sounds() -> None:
    beats = np.array([0, 50, 100, 300, 500])
    assert chords_of(*triad(0, 100), *triad(100, 100), beats=beats) == [0]


def test_before_the_first_and_after_the_last_beat_beats_go_on_evenly() -> None:
    beats = np.array([100, 150, 250])
    assert beats_at(np.array([0, 100, 125, 200, 250, 450]), beats).tolist() == [-2.0, 0.0, 0.5, 1.5, 2.0, 4.0]
    assert chords_of(*triad(0, 90), *triad(1000, 120), beats=beats) == [0]


def test_one_beat_measures_nothing() -> None:
    with pytest.raises(ValueError, match="at least two beats"):
        beats_at(np.array([0]), np.array([100]))


def test_no_notes_have_no_chords() -> None:
    assert chord_onsets(np.zeros(0, NOTE_DTYPE), BEATS).tolist() == []
    assert chords_of((0, 12, DRUMS, 38, 80)) == []
