"""Affect read from notes: features that can be checked by pencil, and a labeller that hears what listeners hear."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emsync.music import affect_reading
from emsync.music.affect_reading import AffectLabeller
from emsync.music.music_features import FEATURE_NAMES, music_features
from emsync.types import NOTE_DTYPE, InstrumentGroup, Notes
from emsync.weights import ASSETS

SHIPPED = ASSETS / "affect_regressor.json"
MAJOR, MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)
PIANO, DRUMS, BASS = InstrumentGroup.PIANO, InstrumentGroup.DRUMS, InstrumentGroup.BASS


def notes_of(*rows: tuple[int, int, int, int, int]) -> Notes:
    """Rows of (onset, duration, group, pitch, velocity), sorted."""
    notes = np.array(sorted(rows), NOTE_DTYPE)
    return notes[np.lexsort((notes["pitch"], notes["group"], notes["onset_ticks"]))]


def scale(steps: tuple[int, ...], *, tonic: int, gap_ticks: int, duration_s: float = 40.0) -> Notes:
    """A scale up and down over held tonic triads."""
    walk = steps + tuple(reversed(steps[1:-1]))
    end = int(duration_s * 125)
    rows = [
        (onset, gap_ticks, int(PIANO), tonic + walk[k % len(walk)], 80)
        for k, onset in enumerate(range(0, end, gap_ticks))
    ]
    triad = [tonic - 12 + steps[degree] for degree in (0, 2, 4)]
    rows += [(onset, 250, int(PIANO), pitch, 70) for onset in range(0, end, 250) for pitch in triad]
    return notes_of(*rows)


def feature(notes: Notes, name: str, *, start_s: float = 0.0, window_s: float = 8.0) -> float:
    row = music_features(notes, np.array([start_s]), window_s)[0]
    return float(row[FEATURE_NAMES.index(name)])


def test_mode_is_positive_in_major_and_negative_in_minor_in_every_key() -> None:
    for tonic in range(54, 66):
        assert feature(scale(MAJOR, tonic=tonic, gap_ticks=32), "mode") > 0.05
        assert feature(scale(MINOR, tonic=tonic, gap_ticks=32), "mode") < -0.05


def test_a_diatonic_scale_fits_one_scale_wholly_and_the_chromatic_scale_to_seven_twelfths() -> None:
    chromatic = notes_of(*[(k * 50, 50, int(PIANO), 60 + k, 80) for k in range(12)])
    assert feature(scale(MAJOR, tonic=60, gap_ticks=32), "scale_fit") == pytest.approx(1.0)
    assert feature(chromatic, "scale_fit") == pytest.approx(7 / 12)
    assert feature(chromatic, "pitch_class_entropy") == pytest.approx(np.log2(12))


def test_densities_count_onsets_per_second_and_group() -> None:
    rows = [(k * 125, 60, int(PIANO), 60, 80) for k in range(8)] + [(0, 1000, int(BASS), 40, 80)]
    rows += [(k * 25, 5, int(DRUMS), 36, 80) for k in range(24)]
    notes = notes_of(*rows)
    assert feature(notes, "notes_per_group") == pytest.approx(np.log2(1 + 9 / 8 / 2))
    assert feature(notes, "drum_density") == pytest.approx(np.log2(1 + 24 / 8))
    assert feature(notes, "groups_sounding") == 2


def test_pulse_articulation_and_note_length_are_octaves_of_time() -> None:
    notes = notes_of(*[(k * 25, 50, int(PIANO), 60 + k % 2, 80) for k in range(40)])
    assert feature(notes, "pulse", window_s=4.0) == pytest.approx(np.log2(5))
    assert feature(notes, "note_length", window_s=4.0) == pytest.approx(np.log2(0.4))
    assert feature(notes, "articulation", window_s=4.0) == pytest.approx(1.0)


def test_onsets_a_few_ticks_apart_are_one_chord() -> None:
    chords = [(k * 125 + spread, 60, int(PIANO), 60 + spread, 80) for k in range(8) for spread in (0, 2, 4)]
    assert feature(notes_of(*chords), "pulse") == pytest.approx(0.0)


def test_registers_are_octaves_and_leave_the_bass_instrument_out() -> None:
    notes = notes_of(
        (0, 1000, int(PIANO), 48, 80), (0, 1000, int(PIANO), 72, 80), (0, 1000, int(BASS), 28, 80)
    )
    assert feature(notes, "bass_register") == pytest.approx(4.0)
    assert feature(notes, "melody_register") == pytest.approx(6.0)


def test_a_semitone_is_more_dissonant_than_a_tritone_and_a_fifth_least() -> None:
    dissonance = [
        feature(notes_of((0, 1000, int(PIANO), 60, 80), (0, 1000, int(PIANO), 60 + k, 80)), "dissonance")
        for k in (1, 6, 7)
    ]
    assert dissonance == pytest.approx([1.428, 0.453, -1.240])


def test_local_mode_tells_a_major_from_a_minor_third_above_the_bass() -> None:
    def above_bass(third: int) -> float:
        rows = [(0, 1000, int(PIANO), 48 + step, 80) for step in (0, third, 7)]
        return feature(notes_of(*rows), "local_mode")

    assert (above_bass(4), above_bass(3)) == (1.0, -1.0)


def test_loudness_is_relative_to_the_piece() -> None:
    quiet_then_loud = [(k * 125, 60, int(PIANO), 60, 40 if k < 8 else 72) for k in range(16)]
    assert feature(notes_of(*quiet_then_loud), "loudness") == pytest.approx(-1.0)
    assert feature(notes_of(*quiet_then_loud), "loudness", start_s=8.0) == pytest.approx(1.0)


def test_sounding_fraction_sees_the_silent_half_of_a_window() -> None:
    notes = notes_of((0, 500, int(PIANO), 60, 80), (1000, 125, int(PIANO), 60, 80))
    assert feature(notes, "sounding_fraction") == pytest.approx(0.5)


def test_rows_without_a_pitched_note_are_nan() -> None:
    notes = notes_of((0, 125, int(PIANO), 60, 80), (5000, 125, int(DRUMS), 36, 80))
    rows = music_features(notes, np.array([-4.0, 8.0, 40.0]), 8.0)
    assert np.isnan(rows).all(axis=1).tolist() == [False, True, True]
    assert not np.isnan(rows[0]).any()


def test_callers_mistakes_are_refused() -> None:
    notes = notes_of((0, 125, int(PIANO), 60, 80), (50, 125, int(PIANO), 60, 80))
    with pytest.raises(ValueError, match="window_s"):
        music_features(notes, np.array([0.0]), 0.0)
    with pytest.raises(ValueError, match="sorted"):
        music_features(notes[::-1], np.array([0.0]), 8.0)


def test_major_is_happier_than_minor_and_fast_more_aroused_than_slow() -> None:
    labeller = AffectLabeller.load()
    happy, sad, fast, slow = (
        labeller.label(notes, 40.0)
        for notes in (
            scale(MAJOR, tonic=64, gap_ticks=25),
            scale(MINOR, tonic=52, gap_ticks=25),
            scale(MAJOR, tonic=60, gap_ticks=12),
            scale(MAJOR, tonic=60, gap_ticks=125),
        )
    )
    assert happy.valence.mean() > sad.valence.mean() + 0.5
    assert fast.arousal.mean() > slow.arousal.mean() + 0.5


def test_drums_raise_arousal() -> None:
    plain = scale(MAJOR, tonic=60, gap_ticks=62)
    beat = [(onset, 5, int(DRUMS), 38, 90) for onset in range(0, 5000, 31)]
    with_drums = np.sort(np.concatenate([plain, np.array(beat, NOTE_DTYPE)]), order="onset_ticks")
    labeller = AffectLabeller.load()
    assert labeller.label(with_drums, 40.0).arousal.mean() > labeller.label(plain, 40.0).arousal.mean() + 0.1


def test_affect_varies_inside_a_piece() -> None:
    slow, fast = (scale(MINOR, tonic=50, gap_ticks=125), scale(MAJOR, tonic=64, gap_ticks=12))
    fast["onset_ticks"] += 5000
    arousal = AffectLabeller.load().label(np.concatenate([slow, fast]), 80.0).arousal
    assert arousal[-5:].mean() > arousal[:5].mean() + 0.5


def test_there_is_a_label_for_every_started_hop() -> None:
    labeller = AffectLabeller.load()
    notes = scale(MAJOR, tonic=60, gap_ticks=32)
    assert [len(labeller.label(notes, s).valence) for s in (0.0, 0.5, 4.0, 4.1, 40.0)] == [1, 1, 1, 2, 10]


def test_music_without_pitched_notes_is_neutral() -> None:
    drums_only = notes_of((0, 5, int(DRUMS), 36, 80))
    for notes in (np.zeros(0, NOTE_DTYPE), drums_only):
        found = AffectLabeller.load().label(notes, 9.0)
        assert found.valence.tolist() == found.arousal.tolist() == [0.0, 0.0, 0.0]


def test_silence_takes_the_features_of_its_nearest_neighbour() -> None:
    early = scale(MAJOR, tonic=60, gap_ticks=25, duration_s=12.0)
    late = scale(MINOR, tonic=50, gap_ticks=125, duration_s=12.0)
    late["onset_ticks"] += 60 * 125
    features = affect_reading.piece_features(np.concatenate([early, late]), 72.0, 4.0, 8.0)
    assert features is not None
    assert np.array_equal(features[5], features[3])
    assert np.array_equal(features[12], features[14])


@settings(max_examples=30, deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.integers(0, 5000),
            st.integers(1, 3000),
            st.integers(0, 4),
            st.integers(0, 127),
            st.integers(1, 127),
        ),
        max_size=60,
    ),
    duration_s=st.floats(0.1, 100),
)
def test_labels_are_finite_and_within_bounds_whatever_the_notes(
    rows: list[tuple[int, int, int, int, int]], duration_s: float
) -> None:
    notes = notes_of(*rows) if rows else np.zeros(0, NOTE_DTYPE)
    found = AffectLabeller.load().label(notes, duration_s)
    for values in (found.valence, found.arousal):
        assert values.dtype == np.float32
        assert len(values) == max(1, int(np.ceil(duration_s / 4.0)))
        assert np.all(np.abs(values) <= 1.0)


def test_nearest_index_prefers_the_earlier_of_two() -> None:
    points = np.array([1, 5])
    assert affect_reading.nearest_index(points, np.arange(7)).tolist() == [0, 0, 0, 0, 1, 1, 1]


def test_a_file_that_is_no_regressor_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "regressor.json"
    path.write_text('{"hop_s": 4.0}')
    with pytest.raises(ValueError, match=r"regressor\.json is not an affect regressor"):
        AffectLabeller.load(path)


def test_shipped_regressor_states_what_it_was_fitted_on() -> None:
    document = json.loads(SHIPPED.read_text(encoding="utf-8"))
    assert document["fit"]["pieces"] == 171
    assert set(document["features"]["names"]) <= set(FEATURE_NAMES)
    assert SHIPPED.stat().st_size < 10_000
