"""Seconds to the next boundary: given ones, and the CHORDs of a training piece in their place."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

from emsync.music import boundary_offsets as room
from emsync.music.boundary_offsets import answered_offsets, boundary_offsets


def test_the_examples_of_the_docstrings_are_true() -> None:
    result = doctest.testmod(room)
    assert result.attempted > 0
    assert result.failed == 0


def test_a_token_on_a_boundary_has_offset_zero_and_the_next_instant_looks_on() -> None:
    times_s = np.array([1.992, 2.0, 2.008])
    assert boundary_offsets(times_s, np.array([2.0, 5.0])) == pytest.approx([0.008, 0.0, 2.992])


def test_offsets_end_at_the_horizon() -> None:
    assert boundary_offsets(np.array([0.0, 9.0]), np.array([10.0]), horizon_s=4.0).tolist() == [4.0, 1.0]


def test_without_boundaries_every_offset_is_the_horizon() -> None:
    assert boundary_offsets(np.array([0.0, 3.0]), np.zeros(0)).tolist() == [8.0, 8.0]


def test_no_tokens_have_no_offsets() -> None:
    assert boundary_offsets(np.zeros(0), np.array([1.0])).tolist() == []


@pytest.mark.parametrize("boundaries_s", [[2.0, 2.0], [3.0, 1.0]])
def test_boundaries_out_of_order_are_refused(boundaries_s: list[float]) -> None:
    with pytest.raises(ValueError, match="strictly increasing"):
        boundary_offsets(np.array([0.0]), np.array(boundaries_s))


def test_before_its_chord_a_token_sees_it_and_the_chord_itself_sees_the_next() -> None:
    # Tokens: START, shift to 2 s, BAR, CHORD, ON, shift to 5 s, CHORD, ON.
    times_s = np.array([0.0, 2.0, 2.0, 2.0, 2.0, 5.0, 5.0, 5.0])
    positions = np.array([3, 6])
    offsets_s = answered_offsets(times_s, times_s[positions], positions)
    assert offsets_s.tolist() == [2.0, 0.0, 0.0, 3.0, 3.0, 0.0, 8.0, 8.0]


def test_a_chord_beyond_the_horizon_is_as_far_as_the_horizon() -> None:
    times_s = np.array([0.0, 20.0, 20.0])
    assert answered_offsets(times_s, np.array([20.0]), np.array([2]), horizon_s=6.0).tolist() == [
        6.0,
        0.0,
        6.0,
    ]


def test_a_piece_without_chords_is_at_the_horizon_throughout() -> None:
    empty = np.zeros(0, np.int64)
    assert answered_offsets(np.array([0.0, 1.0]), np.zeros(0), empty).tolist() == [8.0, 8.0]
