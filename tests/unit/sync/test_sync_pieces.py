"""A piece written by hand goes through rendering and listening, and its figures are known beforehand."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("librosa")

from benchmarks.sync.films import RATE_FPS, Film
from benchmarks.sync.pieces import measure
from benchmarks.sync.records import Record

from emsync.types import (
    NOTE_DTYPE,
    AffectCurve,
    AffectPoint,
    Boundary,
    Composition,
    CueSheet,
    Cut,
    Hit,
    InstrumentGroup,
)

ON_TIME_TICKS, LATE_TICKS, ENDING_TICKS = 250, 520, 1100
BOUNDARIES_S = (2.0, 4.0)


def film(name: str, boundaries_s: tuple[float, ...]) -> Film:
    boundaries = tuple(Boundary(time_s, 1.0, "cut") for time_s in boundaries_s)
    cuts = tuple(Cut(time_s, 1.0) for time_s in (*boundaries_s, 4.5))
    affect = AffectCurve((AffectPoint(0.0, 0.0, 0.0),))
    return Film(name, "trailer", CueSheet(name, 10.0, RATE_FPS, cuts, (), boundaries, (), affect))


@pytest.fixture(scope="module")
def measured() -> Record:
    """A piano chord on the first boundary, one 160 ms after the second, one at the end."""
    rows = [
        (ticks, 200, InstrumentGroup.PIANO, pitch, 100)
        for ticks in (ON_TIME_TICKS, LATE_TICKS, ENDING_TICKS)
        for pitch in (60, 64, 67)
    ]
    chords = (ON_TIME_TICKS, LATE_TICKS, ENDING_TICKS)
    here = film("here", BOUNDARIES_S)
    hits = tuple(Hit(boundary, None) for boundary in here.sheet.boundaries)
    piece = Composition(np.array(rows, NOTE_DTYPE), (0, 250, 500), chords, 1250, hits, 0, "")
    nats = np.array([1.0, 2.0])
    films = [here, film("elsewhere", (3.0,))]
    return measure(piece, here, "exact", films=films, nats=nats)


def test_chords_announced_and_struck_are_kept_without_the_last_one(measured: Record) -> None:
    assert measured.answers_s["announced"] == [2.0, 4.16]
    assert measured.answers_s["struck"] == [2.0, 4.16]


def test_only_the_chord_on_its_boundary_is_heard_there(measured: Record) -> None:
    on_time, late = measured.rises_s
    assert on_time is not None
    assert abs(on_time) <= 0.03
    assert late is None or late > 0.03
    assert measured.chance_rises_s == [None]


def test_a_piano_chord_on_its_boundary_speaks_at_once_and_a_chord_far_from_it_is_no_answer(
    measured: Record,
) -> None:
    on_time, late = measured.speaks_s
    assert on_time is not None
    assert 0.0 <= on_time <= 0.015
    assert late is None


def test_onsets_are_heard_where_chords_are_struck(measured: Record) -> None:
    onsets_s = np.array(measured.answers_s["audio_onsets"])
    assert np.abs(onsets_s - 2.0).min() < 0.05
    assert np.abs(onsets_s - 4.16).min() < 0.05


def test_cuts_and_nats_are_kept(measured: Record) -> None:
    assert measured.cuts_s == [2.0, 4.0, 4.5]
    assert measured.boundaries_s == [2.0, 4.0]
    assert (measured.tokens, measured.nats, measured.note_count) == (2, 3.0, 9)
    assert measured.music["stuck_notes"] == 0
