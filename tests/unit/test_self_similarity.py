"""Self-similarity, each figure on bars whose events can be counted by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from emsync.self_similarity import (
    Aspect,
    bar_similarities,
    far_similarity,
    lag_similarity,
    return_similarity,
)
from emsync.types import NOTE_DTYPE, Floats, InstrumentGroup

DRUMS, BASS, PIANO = InstrumentGroup.DRUMS, InstrumentGroup.BASS, InstrumentGroup.PIANO
BAR_TICKS = 160
Row = tuple[int, int, int]


def similarities_of(*bars: list[Row], aspect: Aspect = Aspect.NOTES) -> Floats:
    """Bars of rows (step, group, pitch), sixteen steps to a bar."""
    rows = [
        (bar * BAR_TICKS + step * 10, 5, group, pitch, 80)
        for bar, events in enumerate(bars)
        for step, group, pitch in events
    ]
    notes = np.array(sorted(rows), NOTE_DTYPE)
    onsets = np.arange(len(bars)) * BAR_TICKS
    return bar_similarities(notes, onsets, len(bars) * BAR_TICKS, aspect)


def theme(bars: str) -> Floats:
    """A piece that says one note a bar; equal letters are equal bars, a dot is silence."""
    return similarities_of(*[[] if letter == "." else [(0, PIANO, ord(letter))] for letter in bars])


def test_bars_that_share_one_of_three_events_are_a_third_alike() -> None:
    table = similarities_of([(0, PIANO, 60), (4, PIANO, 62)], [(0, PIANO, 60), (4, PIANO, 64)])
    assert table.tolist() == [[1.0, 1 / 3], [1 / 3, 1.0]]


def test_an_event_struck_twice_counts_once() -> None:
    notes = np.array([(0, 5, PIANO, 60, 80), (2, 5, PIANO, 60, 80), (160, 5, PIANO, 60, 80)], NOTE_DTYPE)
    assert bar_similarities(notes, np.array([0, 160]), 320)[0, 1] == 1.0


def test_rhythm_does_not_hear_pitch_but_hears_the_group() -> None:
    played = (
        [(0, PIANO, 60), (4, DRUMS, 36)],
        [(0, PIANO, 72), (4, DRUMS, 38)],
        [(0, BASS, 40), (4, DRUMS, 36)],
    )
    table = similarities_of(*played, aspect=Aspect.RHYTHM)
    assert table[0].tolist() == [1.0, 1.0, 1 / 3]


def test_pitch_classes_hear_neither_octave_nor_group_nor_drums() -> None:
    played = [(0, PIANO, 60), (4, DRUMS, 36)], [(0, BASS, 36), (8, DRUMS, 38)]
    assert similarities_of(*played, aspect=Aspect.PITCH_CLASSES)[0, 1] == 1.0


def test_two_bars_in_which_nothing_starts_have_no_similarity() -> None:
    table = theme("..A")
    assert math.isnan(table[0, 1])
    assert table[0, 2] == 0.0


def test_a_piece_without_bars_has_no_similarities() -> None:
    table = bar_similarities(np.zeros(0, NOTE_DTYPE), np.zeros(0, np.int64), 100)
    assert table.shape == (0, 0)
    assert math.isnan(lag_similarity(table, 1))
    assert math.isnan(far_similarity(table))
    assert math.isnan(return_similarity(table))


def test_a_phrase_of_four_bars_shows_at_lag_four_alone() -> None:
    table = theme("ABCDABCDABCD")
    assert [lag_similarity(table, lag) for lag in (1, 2, 4, 8)] == [0.0, 0.0, 1.0, 1.0]


def test_far_similarity_is_the_mean_over_all_far_pairs() -> None:
    assert far_similarity(theme("ABCDEFGHAX")) == 1 / 3
    assert math.isnan(far_similarity(theme("ABCDEFGH")))


def test_a_theme_that_returns_counts_in_full_for_its_bars() -> None:
    assert return_similarity(theme("ABCDEFGHXXABXX")) == 2 / 6


def test_a_repeat_nearer_than_far_is_no_return() -> None:
    assert return_similarity(theme("ABABCDEFGH")) == 0.0


def test_a_silent_bar_is_no_bar_that_failed_to_return() -> None:
    assert return_similarity(theme("ABCDEFGHA.")) == 1.0


@pytest.mark.parametrize("distance", [0, -1])
def test_a_bar_is_not_compared_with_itself(distance: int) -> None:
    with pytest.raises(ValueError, match="must be 1 or more"):
        lag_similarity(theme("AB"), distance)
    with pytest.raises(ValueError, match="must be 1 or more"):
        far_similarity(theme("AB"), at_least_bars=distance)
    with pytest.raises(ValueError, match="must be 1 or more"):
        return_similarity(theme("AB"), at_least_bars=distance)
