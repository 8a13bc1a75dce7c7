"""Instants that nobody hears apart become one, by pencil."""

from __future__ import annotations

import numpy as np
import pytest

from emsync.types import NOTE_DTYPE, InstrumentGroup, Notes
from emsync_train.tighten import ONSETS_WITHIN_TICKS, RELEASES_WITHIN_TICKS, tightened

NO_BARS = np.zeros(0, np.int64)
FAR = 1000


def notes_of(*onsets_and_ends: tuple[int, int]) -> Notes:
    """Piano notes of rising pitch."""
    rows = [
        (onset, end - onset, InstrumentGroup.PIANO, 60 + number, 70 + number)
        for number, (onset, end) in enumerate(onsets_and_ends)
    ]
    return np.array(rows, NOTE_DTYPE)


def onsets(notes: Notes) -> list[int]:
    return [int(onset) for onset in notes["onset_ticks"]]


def ends(notes: Notes) -> list[int]:
    return [int(end) for end in notes["onset_ticks"] + notes["duration_ticks"]]


def test_onsets_at_most_16_ms_apart_coincide_and_farther_ones_stay() -> None:
    assert ONSETS_WITHIN_TICKS == 2
    found = tightened(notes_of((100, FAR), (102, FAR), (103, FAR), (110, FAR)), NO_BARS)
    assert onsets(found) == [100, 100, 103, 110]


def test_the_most_frequent_onset_of_a_cluster_wins_and_the_earliest_of_equals() -> None:
    found = tightened(notes_of((100, FAR), (101, FAR), (101, FAR), (102, FAR)), NO_BARS)
    assert onsets(found) == [101] * 4
    found = tightened(notes_of((100, FAR), (101, FAR), (102, FAR)), NO_BARS)
    assert onsets(found) == [100] * 3


def test_a_cluster_near_a_bar_line_moves_onto_it() -> None:
    bars = np.array([0, 240, 480])
    found = tightened(notes_of((2, FAR), (238, FAR), (239, FAR), (243, FAR), (477, FAR)), bars)
    assert onsets(found) == [0, 240, 240, 243, 477]


def test_a_chain_of_close_onsets_does_not_collapse_into_one() -> None:
    found = tightened(notes_of(*((tick, FAR) for tick in range(100, 112, 2))), NO_BARS)
    assert onsets(found) == [100, 100, 104, 104, 108, 108]


def test_a_release_at_most_24_ms_from_an_onset_moves_onto_it_and_a_farther_one_stays() -> None:
    assert RELEASES_WITHIN_TICKS == 3
    found = tightened(notes_of((0, 97), (0, 103), (0, 96), (0, 104), (100, 150)), NO_BARS)
    assert ends(found) == [100, 100, 96, 104, 150]


def test_a_release_follows_the_onset_that_was_moved() -> None:
    found = tightened(notes_of((0, 105), (0, 98), (102, 200), (102, 200), (101, 200)), NO_BARS)
    assert onsets(found) == [0, 0, 102, 102, 102]
    assert ends(found) == [102, 98, 200, 200, 200]  # 98 was near 101, where nothing begins any more


def test_a_short_note_keeps_at_least_a_tick_and_is_not_released_before_it_begins() -> None:
    found = tightened(notes_of((100, 101), (100, 150), (100, 103), (99, 100)), NO_BARS)
    assert onsets(found) == [100] * 4
    assert ends(found) == [101, 150, 103, 101]


def test_everything_else_is_kept_and_the_notes_given_are_not_changed() -> None:
    given = notes_of((100, 200), (101, 200))
    before = given.copy()
    found = tightened(given, NO_BARS)
    assert given.tolist() == before.tolist()
    for field in ("group", "pitch", "velocity"):
        assert found[field].tolist() == given[field].tolist()


def test_order_of_the_notes_does_not_matter() -> None:
    given = notes_of((102, 200), (100, 205), (238, 300), (103, 240))
    found = tightened(given, np.array([0, 240]))
    turned = tightened(given[::-1], np.array([0, 240]))
    assert turned[::-1].tolist() == found.tolist()


def test_no_notes_stay_no_notes() -> None:
    assert len(tightened(np.zeros(0, NOTE_DTYPE), np.array([0, 240]))) == 0


@pytest.mark.parametrize("seed", range(5))
def test_nothing_moves_further_than_promised(seed: int) -> None:
    rng = np.random.default_rng(seed)
    begins = rng.integers(0, 2000, 300)
    given = notes_of(*((int(begin), int(begin + rng.integers(5, 200))) for begin in begins[:40]))
    found = tightened(given, np.arange(0, 2000, 240))
    # onto the cluster's centre, then from there onto a bar line
    assert np.abs(found["onset_ticks"] - given["onset_ticks"]).max() <= 2 * ONSETS_WITHIN_TICKS
    assert np.abs(np.subtract(ends(found), ends(given))).max() <= RELEASES_WITHIN_TICKS
    assert found["duration_ticks"].min() >= 1
