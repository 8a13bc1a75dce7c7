"""Loudness follows arousal; bars, chords and hits stand out; nothing else changes."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from midi_examples import notes_of

from emsync.music.dynamics import BAR_ACCENT, CHORD_ACCENT, HIT_ACCENT, LEVEL, shape_dynamics
from emsync.types import AffectCurve, AffectPoint, Boundary, Hit, InstrumentGroup, Notes

GUITAR, PIANO, STRINGS, DRUMS = (
    InstrumentGroup.GUITAR,
    InstrumentGroup.PIANO,
    InstrumentGroup.STRINGS,
    InstrumentGroup.DRUMS,
)


def arousal(*points: tuple[float, float]) -> AffectCurve:
    return AffectCurve(tuple(AffectPoint(time_s, 0.0, value) for time_s, value in points))


def guitar_notes(*onsets_ticks: int) -> Notes:
    return notes_of(*((onset, 10, GUITAR, 60, 80) for onset in onsets_ticks))


def velocities(notes: Notes) -> list[int]:
    return [int(velocity) for velocity in notes["velocity"]]


def shape(notes: Notes, curve: AffectCurve) -> list[int]:
    return velocities(shape_dynamics(notes, affect=curve, chord_onsets_ticks=(), hits=()))


def test_arousal_sets_the_level_from_38_to_90() -> None:
    notes = guitar_notes(0)
    assert shape(notes, arousal((0, -1.0))) == [38]
    assert shape(notes, arousal((0, 0.0))) == [64]
    assert shape(notes, arousal((0, 1.0))) == [90]


@given(low=st.floats(-1, 1), high=st.floats(-1, 1))
def test_more_arousal_is_never_softer(low: float, high: float) -> None:
    low, high = sorted((low, high))
    notes = guitar_notes(0)
    assert shape(notes, arousal((0, low))) <= shape(notes, arousal((0, high)))


def test_the_level_follows_the_curve_without_steps() -> None:
    loudness = shape(guitar_notes(*range(0, 1250, 10)), arousal((0, -1.0), (10, 1.0)))
    assert loudness[0] == 38
    assert loudness[-1] >= 89
    assert set(np.diff(loudness).tolist()) <= {0, 1}


def test_how_softly_or_loudly_the_network_struck_a_note_is_added() -> None:
    struck = [80, 60, 100]
    notes = notes_of(*((onset, 10, GUITAR, 60, one) for onset, one in enumerate(struck)))
    assert shape(notes, arousal((0, 0.0))) == [64, 44, 84]
    assert shape(notes, arousal((0, 1.0))) == [90, 70, 110]


def test_a_soft_note_of_a_hit_keeps_its_distance_to_the_others() -> None:
    hit = Hit(Boundary(0.0, 1.0, "cut"), 0)
    notes = notes_of((0, 10, GUITAR, 60, 80), (0, 10, GUITAR, 62, 60))
    shaped = shape_dynamics(notes, affect=arousal((0, 0.0)), chord_onsets_ticks=(0,), hits=(hit,))
    assert velocities(shaped) == [94, 74]


def test_a_hit_is_louder_in_every_group() -> None:
    hit = Hit(Boundary(0.8, 1.0, "cut"), 100)
    rows = [(onset, 10, group, 60, 80) for onset in (50, 100) for group in InstrumentGroup]
    shaped = shape_dynamics(notes_of(*rows), affect=arousal((0, 0.0)), chord_onsets_ticks=(100,), hits=(hit,))
    assert np.diff(shaped["velocity"].reshape(2, 5).astype(int), axis=0).tolist() == [[int(HIT_ACCENT)] * 5]


def test_a_missed_boundary_makes_no_accent() -> None:
    notes = guitar_notes(0, 100)
    missed = (Hit(Boundary(0.8, 1.0, "cut"), None),)
    shaped = shape_dynamics(notes, affect=arousal((0, 0.0)), chord_onsets_ticks=(), hits=missed)
    assert velocities(shaped) == [64, 64]


def test_chords_lift_piano_and_guitar_only() -> None:
    rows = [(onset, 10, group, 60, 80) for onset in (50, 100) for group in (GUITAR, PIANO, STRINGS, DRUMS)]
    shaped = shape_dynamics(notes_of(*rows), affect=arousal((0, 0.0)), chord_onsets_ticks=(100,), hits=())
    lift = dict(
        zip(
            shaped["group"][4:].tolist(),
            np.diff(shaped["velocity"].reshape(2, 4).astype(int), axis=0)[0],
            strict=True,
        )
    )
    assert lift == {GUITAR: CHORD_ACCENT, PIANO: CHORD_ACCENT, STRINGS: 0, DRUMS: 0}


def test_notes_struck_together_with_a_chord_share_its_accent() -> None:
    notes = guitar_notes(99, 100, 105, 106)
    shaped = shape_dynamics(notes, affect=arousal((0, 0.0)), chord_onsets_ticks=(100,), hits=())
    assert velocities(shaped) == [64, 74, 74, 64]


def test_bar_starts_stand_out_if_bars_are_given() -> None:
    notes = guitar_notes(0, 1, 250)
    shaped = shape_dynamics(
        notes, affect=arousal((0, 0.0)), chord_onsets_ticks=(), hits=(), bar_onsets_ticks=(0, 250)
    )
    assert velocities(shaped) == [LEVEL + BAR_ACCENT, LEVEL, LEVEL + BAR_ACCENT]


def test_accents_do_not_add_up() -> None:
    hit = Hit(Boundary(0.0, 1.0, "cut"), 0)
    shaped = shape_dynamics(
        guitar_notes(0), affect=arousal((0, 0.0)), chord_onsets_ticks=(0,), hits=(hit,), bar_onsets_ticks=(0,)
    )
    assert velocities(shaped) == [LEVEL + HIT_ACCENT]


def test_the_input_is_untouched_and_only_velocity_differs() -> None:
    notes = guitar_notes(0, 100)
    before = notes.copy()
    shaped = shape_dynamics(notes, affect=arousal((0, 1.0)), chord_onsets_ticks=(), hits=())
    assert np.array_equal(notes, before)
    for field in ("onset_ticks", "duration_ticks", "group", "pitch"):
        assert np.array_equal(shaped[field], before[field])
    assert not np.array_equal(shaped["velocity"], before["velocity"])


def test_the_loudest_and_softest_stay_possible_in_midi() -> None:
    hit = Hit(Boundary(0.0, 1.0, "cut"), 0)
    struck = [(group, velocity) for group in InstrumentGroup for velocity in (60, 80, 100)]
    notes = notes_of(*((0, 10, group, velocity, velocity) for group, velocity in struck))
    for value in (-1.0, 1.0):
        shaped = shape_dynamics(notes, affect=arousal((0, value)), chord_onsets_ticks=(0,), hits=(hit,))
        assert 1 <= shaped["velocity"].min() <= shaped["velocity"].max() <= 127
    assert shaped["velocity"].max() == 127


def test_no_note_is_so_soft_that_it_is_none() -> None:
    assert shape(notes_of((0, 10, DRUMS, 60, 1)), arousal((0, -1.0))) == [1]


def test_no_notes_stay_no_notes() -> None:
    assert shape(notes_of(), arousal((0, 1.0))) == []
