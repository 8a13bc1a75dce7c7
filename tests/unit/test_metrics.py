"""Metrics, each against values that can be checked by pencil."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from emsync import metrics
from emsync.types import NOTE_DTYPE, InstrumentGroup, Notes

PIANO, BASS, DRUMS = (
    int(group) for group in (InstrumentGroup.PIANO, InstrumentGroup.BASS, InstrumentGroup.DRUMS)
)
NOTHING = np.zeros(0, NOTE_DTYPE)
BARS = np.array([0, 100, 200, 300])


def notes_of(*rows: tuple[int, int, int, int]) -> Notes:
    """Rows of (onset, duration, group, pitch)."""
    return np.array([(*row, 80) for row in sorted(rows)], NOTE_DTYPE)


def piano(*rows: tuple[int, int, int]) -> Notes:
    """Rows of (onset, duration, pitch)."""
    return notes_of(*[(onset, duration, PIANO, pitch) for onset, duration, pitch in rows])


def test_note_density_counts_drums() -> None:
    assert metrics.note_density(notes_of((0, 5, PIANO, 60), (0, 5, DRUMS, 36)), 500) == 0.5


def test_polyphony_leaves_silence_out() -> None:
    assert metrics.polyphony(piano((0, 100, 60), (50, 50, 64), (900, 100, 60))) == 250 / 200


def test_one_pitch_of_two_instruments_counts_once_and_drums_do_not_count() -> None:
    notes = notes_of((0, 100, PIANO, 60), (50, 100, BASS, 60), (0, 150, DRUMS, 36))
    assert metrics.polyphony(notes) == 1.0


def test_polyphony_rate_is_a_share_of_the_whole_duration() -> None:
    notes = piano((0, 100, 60), (50, 500, 64), (60, 10, 67))
    assert metrics.polyphony_rate(notes, 200) == 50 / 200
    assert metrics.polyphony_rate(notes, 200, at_least=3) == 10 / 200


def test_pitch_class_entropy_is_two_bits_for_four_classes_alike() -> None:
    notes = piano(*[(k, 1, pitch) for k, pitch in enumerate((48, 64, 67, 70))])
    assert metrics.pitch_class_entropy(notes) == pytest.approx(2.0)
    assert metrics.pitch_class_entropy(piano((0, 1, 60), (1, 1, 72))) == 0.0


def test_pitch_range_ignores_drums() -> None:
    assert metrics.pitch_range(notes_of((0, 1, PIANO, 60), (0, 1, BASS, 40), (0, 1, DRUMS, 21))) == 20.0


def test_scale_consistency_of_a_scale_and_of_all_twelve_classes() -> None:
    e_flat_major = piano(*[(k, 1, 63 + step) for k, step in enumerate((0, 2, 4, 5, 7, 9, 11))])
    chromatic = piano(*[(k, 1, 60 + k) for k in range(12)])
    assert metrics.scale_consistency(e_flat_major) == 1.0
    assert metrics.scale_consistency(chromatic) == pytest.approx(7 / 12)


def test_empty_time_and_longest_silence() -> None:
    notes = piano((125, 125, 60), (200, 50, 64), (1000, 9000, 60))
    assert metrics.empty_time_rate(notes, 1250) == (125 + 750) / 1250
    assert metrics.longest_silence_s(notes, 1250) == 6.0


def test_silence_before_and_after_the_music_counts() -> None:
    assert metrics.longest_silence_s(piano((500, 125, 60)), 1000) == 4.0
    assert metrics.longest_silence_s(piano((125, 125, 60)), 1250) == 8.0
    assert metrics.longest_silence_s(NOTHING, 1250) == 10.0


def test_stuck_notes_are_longer_than_the_limit_and_pitched() -> None:
    notes = notes_of((0, 1250, PIANO, 60), (0, 1251, PIANO, 62), (0, 5000, DRUMS, 36))
    assert metrics.stuck_notes(notes) == 1
    assert metrics.stuck_notes(notes, longer_than_s=9.0) == 2


def test_a_held_note_fills_its_bars_and_ends_before_the_next() -> None:
    assert metrics.empty_bar_rate(piano((50, 150, 60)), BARS, 400) == 0.5
    assert metrics.empty_bar_rate(piano((399, 10, 60)), BARS, 400) == 0.75
    assert metrics.empty_bar_rate(NOTHING, BARS, 400) == 1.0


def test_groove_consistency_is_one_for_equal_bars_and_loses_a_share_for_each_differing_step() -> None:
    steady = piano(*[(onset, 5, 60) for onset in range(0, 400, 25)])
    assert metrics.groove_consistency(steady, BARS, 400, positions_per_bar=4) == 1.0
    without_one = steady[steady["onset_ticks"] != 125]
    assert metrics.groove_consistency(without_one, BARS, 400, positions_per_bar=4) == pytest.approx(
        1 - 2 / 12
    )


def test_an_onset_just_before_the_bar_line_belongs_to_the_next_bar() -> None:
    notes = piano((0, 5, 60), (99, 5, 60), (201, 5, 60), (300, 5, 60))
    assert metrics.groove_consistency(notes, BARS, 400, positions_per_bar=4) == 1.0
    assert metrics.repeated_bar_rate(notes, BARS, 400, positions_per_bar=4) == 3 / 4


def test_repeated_bars_need_the_same_pitches_of_the_same_groups() -> None:
    notes = notes_of((0, 5, PIANO, 60), (100, 50, PIANO, 60), (200, 5, BASS, 60), (300, 5, PIANO, 62))
    assert metrics.repeated_bar_rate(notes, BARS, 400) == 1 / 4


def test_bars_in_which_no_note_starts_are_no_copies() -> None:
    assert metrics.repeated_bar_rate(piano((0, 5, 60), (300, 5, 60)), BARS, 400) == 1 / 2


def test_notes_before_the_first_bar_are_in_no_bar() -> None:
    notes = piano((0, 5, 60), (150, 5, 60))
    assert metrics.repeated_bar_rate(notes, np.array([100, 200]), 300) == 0.0
    assert metrics.empty_bar_rate(notes, np.array([100, 200]), 300) == 0.5


def test_bars_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="strictly increasing"):
        metrics.empty_bar_rate(NOTHING, np.array([100, 100]), 300)


def test_what_is_undefined_is_nan() -> None:
    no_bars = np.zeros(0, np.int64)
    drums = notes_of((0, 5, DRUMS, 36))
    undefined = [
        metrics.note_density(NOTHING, 0),
        metrics.polyphony(drums),
        metrics.polyphony_rate(NOTHING, 0),
        metrics.pitch_class_entropy(drums),
        metrics.pitch_range(drums),
        metrics.scale_consistency(drums),
        metrics.empty_time_rate(NOTHING, 0),
        metrics.empty_bar_rate(drums, no_bars, 400),
        metrics.groove_consistency(drums, BARS[:1], 400),
        metrics.repeated_bar_rate(drums, no_bars, 400),
        metrics.repeated_bar_rate(NOTHING, BARS, 400),
    ]
    assert all(math.isnan(value) for value in undefined)


def test_precision_recall_and_f1_by_pencil() -> None:
    matches = metrics.match_onsets(np.array([1.0, 5.0, 9.0]), np.array([0.9, 5.2, 7.0, 20.0]), 0.25)
    assert metrics.precision(matches) == 2 / 4
    assert metrics.recall(matches) == 2 / 3
    assert metrics.f1(matches) == pytest.approx(4 / 7)
    assert metrics.signed_offsets(matches) == pytest.approx([-0.1, 0.2])


def test_the_tolerance_is_inclusive_despite_floating_point() -> None:
    assert len(metrics.match_onsets(np.array([1.0]), np.array([1.1]), 0.1).reference_s) == 1
    assert len(metrics.match_onsets(np.array([1.0]), np.array([1.101]), 0.1).reference_s) == 0


def test_the_nearest_estimate_is_paired() -> None:
    matches = metrics.match_onsets(np.array([1.0]), np.array([0.6, 1.0, 1.3]), 0.5)
    assert metrics.signed_offsets(matches).tolist() == [0.0]


def test_a_nearer_estimate_is_given_up_for_one_more_pair() -> None:
    matches = metrics.match_onsets(np.array([1.0, 1.4]), np.array([0.6, 1.1]), 0.5)
    assert matches.estimated_s.tolist() == [0.6, 1.1]


def test_no_onset_is_used_twice() -> None:
    matches = metrics.match_onsets(np.array([1.0, 1.1, 1.2]), np.array([1.1]), 1.0)
    assert metrics.recall(matches) == pytest.approx(1 / 3)
    assert metrics.signed_offsets(matches).tolist() == [0.0]


def test_scores_without_onsets() -> None:
    nothing, one = np.zeros(0), np.ones(1)
    assert math.isnan(metrics.f1(metrics.match_onsets(nothing, nothing, 0.1)))
    assert math.isnan(metrics.precision(metrics.match_onsets(one, nothing, 0.1)))
    assert math.isnan(metrics.recall(metrics.match_onsets(nothing, one, 0.1)))
    assert metrics.f1(metrics.match_onsets(one, nothing, 0.1)) == 0.0


def test_onsets_that_are_no_times_are_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        metrics.match_onsets(np.array([np.nan]), np.ones(1), 0.1)
    with pytest.raises(ValueError, match="tolerance_s"):
        metrics.match_onsets(np.ones(1), np.ones(1), -0.1)


onsets = st.lists(st.integers(0, 400).map(lambda tick: tick * 0.008), max_size=15)


@settings(max_examples=150, deadline=None)
@given(reference=onsets, estimated=onsets, tolerance_s=st.sampled_from([0.0, 0.05, 0.25, 1.0]))
def test_pairs_are_as_many_and_as_near_as_an_assignment_solver_finds(
    reference: list[float], estimated: list[float], tolerance_s: float
) -> None:
    found = metrics.match_onsets(np.array(reference), np.array(estimated), tolerance_s)
    distances = np.abs(np.subtract.outer(np.array(reference), np.array(estimated)))
    costs = np.where(distances <= tolerance_s + 1e-9, distances, 1000.0)
    rows, columns = linear_sum_assignment(costs)
    chosen = costs[rows, columns]
    assert len(found.reference_s) == int(np.sum(chosen < 1000))
    assert np.abs(metrics.signed_offsets(found)).sum() == pytest.approx(chosen[chosen < 1000].sum(), abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 300), st.integers(1, 150), st.integers(0, 4), st.integers(55, 65)),
        min_size=1,
        max_size=25,
    )
)
def test_sounding_time_agrees_with_a_piano_roll(rows: list[tuple[int, int, int, int]]) -> None:
    notes, duration = notes_of(*rows), 320
    roll, anything = np.zeros((460, 128), bool), np.zeros(460, bool)
    for onset, length, group, pitch in rows:
        anything[onset : onset + length] = True
        if group != DRUMS:
            roll[onset : onset + length, pitch] = True
    sounding = roll.sum(axis=1)
    if sounding.any():
        assert metrics.polyphony(notes) == pytest.approx(sounding.sum() / np.count_nonzero(sounding))
    assert metrics.polyphony_rate(notes, duration) == pytest.approx(np.mean(sounding[:duration] >= 2))
    assert metrics.empty_time_rate(notes, duration) == pytest.approx(np.mean(~anything[:duration]))


def test_velocity_spread_is_the_standard_deviation_of_all_velocities() -> None:
    notes = notes_of((0, 5, PIANO, 60), (0, 5, DRUMS, 36))
    notes["velocity"] = (60, 100)
    assert metrics.velocity_spread(notes) == 20.0
    assert math.isnan(metrics.velocity_spread(NOTHING))


def test_notes_per_instant_counts_notes_struck_at_one_tick() -> None:
    notes = notes_of((0, 5, PIANO, 60), (0, 5, PIANO, 64), (0, 5, DRUMS, 36), (9, 5, PIANO, 60))
    assert metrics.notes_per_instant(notes) == 2.0
    assert math.isnan(metrics.notes_per_instant(NOTHING))


def test_sixteenths_and_triplets_of_a_bar_are_on_the_grid() -> None:
    sixteenths = [(240 * k // 16, 5, 60) for k in range(16)]
    triplets = [(240 + 240 * k // 12, 5, 60) for k in range(12)]
    notes = piano(*sixteenths, *triplets)
    bars = np.array([0, 240])
    assert metrics.on_grid_rate(notes, bars, 480, tolerance_ticks=0) == 1.0


def test_an_onset_two_ticks_off_the_grid_is_off_it() -> None:
    notes = piano((0, 5, 60), (16, 5, 60), (32, 5, 60), (239, 5, 60))
    assert metrics.on_grid_rate(notes, np.array([0, 240]), 480) == 3 / 4


def test_a_chord_is_one_onset_on_the_grid() -> None:
    notes = piano((0, 5, 60), (0, 5, 64), (0, 5, 67), (7, 5, 60))
    assert metrics.on_grid_rate(notes, np.array([0]), 240) == 1 / 2


def test_onsets_outside_bars_are_neither_on_nor_off_the_grid() -> None:
    notes = piano((7, 5, 60), (240, 5, 60), (487, 5, 60))
    assert metrics.on_grid_rate(notes, np.array([240]), 480) == 1.0
    assert math.isnan(metrics.on_grid_rate(notes, np.zeros(0, np.int64), 480))
    assert math.isnan(metrics.on_grid_rate(NOTHING, np.array([0]), 480))


def test_onsets_at_every_tick_are_on_the_grid_by_chance_alone() -> None:
    notes = piano(*[(tick, 1, 60) for tick in range(480)])
    bars = np.array([0, 240])
    assert metrics.on_grid_rate(notes, bars, 480) == metrics.on_grid_chance(bars, 480) == 24 * 3 / 240
    assert math.isnan(metrics.on_grid_chance(np.zeros(0, np.int64), 480))


def test_median_signed_offset_is_not_moved_by_one_late_answer() -> None:
    matches = metrics.match_onsets(np.array([1.0, 3.0, 5.0]), np.array([1.1, 2.9, 5.9]), 1.0)
    assert metrics.median_signed_offset_s(matches) == pytest.approx(0.1)
    nothing = metrics.match_onsets(np.array([1.0]), np.array([3.0]), 0.5)
    assert math.isnan(metrics.median_signed_offset_s(nothing))


def test_median_absolute_offset_does_not_let_early_and_late_cancel() -> None:
    matches = metrics.match_onsets(np.array([1.0, 2.0, 3.0]), np.array([0.9, 2.2, 3.1]), 0.5)
    assert metrics.median_absolute_offset_s(matches) == pytest.approx(0.1)
    assert math.isnan(metrics.median_absolute_offset_s(metrics.match_onsets(np.zeros(1), np.zeros(0), 0.5)))


def test_transition_beat_iou_by_pencil() -> None:
    cuts_s, beats_s = np.array([1.0, 2.0, 3.0]), np.array([1.05, 2.5, 3.0, 4.0])
    assert metrics.transition_beat_iou(metrics.match_onsets(cuts_s, beats_s, 0.1)) == pytest.approx(2 / 5)
    assert metrics.transition_beat_iou(metrics.match_onsets(cuts_s, beats_s, 0.5)) == pytest.approx(3 / 4)


def test_transition_beat_iou_without_cuts_or_beats() -> None:
    none, one = np.zeros(0), np.ones(1)
    assert metrics.transition_beat_iou(metrics.match_onsets(one, none, 0.5)) == 0
    assert metrics.transition_beat_iou(metrics.match_onsets(none, one, 0.5)) == 0
    assert math.isnan(metrics.transition_beat_iou(metrics.match_onsets(none, none, 0.5)))


def test_transition_beat_iou_follows_from_f1() -> None:
    matches = metrics.match_onsets(np.array([1.0, 2.0, 6.0]), np.array([1.1, 2.1, 3.0, 7.0, 9.0]), 0.2)
    assert metrics.transition_beat_iou(matches) == pytest.approx(
        metrics.f1(matches) / (2 - metrics.f1(matches))
    )
