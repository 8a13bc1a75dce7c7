"""Sections of a score and the themes that come back in them."""

from __future__ import annotations

import doctest
from dataclasses import replace

import numpy as np
import pytest
from made_up_composer import MadeUpModel, compose, cue_sheet_of, unhurried

from emsync.control import Key, Mode
from emsync.music import form
from emsync.music.bar_plan import plan_bars
from emsync.music.compose import compose_with
from emsync.music.form import sections_of
from emsync.music.theme import Theme, in_key
from emsync.music.tokenizer import Piece
from emsync.options import ComposeOptions, SyncMode
from emsync.self_similarity import bar_similarities
from emsync.types import NOTE_DTYPE, AffectCurve, AffectPoint, Composition, CueSheet, InstrumentGroup

DRUMS, BASS, GUITAR, PIANO, STRINGS = InstrumentGroup
HAPPY_SAD_HAPPY = AffectCurve(
    (
        AffectPoint(0, 0.6, 0.2),
        AffectPoint(19, 0.6, 0.2),
        AffectPoint(21, -0.6, -0.2),
        AffectPoint(39, -0.6, -0.2),
        AffectPoint(41, 0.6, 0.2),
    )
)
FLAT = AffectCurve((AffectPoint(0, 0.0, 0.0),))


def starts_of(sheet: CueSheet, tempo_bpm: float = 120.0) -> list[float]:
    hits = [round(boundary.time_s * 125) for boundary in sheet.boundaries]
    end = round(sheet.duration_s * 125)
    sections = sections_of(sheet, plan_bars(hits, end, tempo_bpm), end - 400)
    assert [one.stop_ticks for one in sections[:-1]] == [one.start_ticks for one in sections[1:]]
    return [one.start_ticks / 125 for one in sections]


def test_the_examples_of_the_docstrings_are_true() -> None:
    result = doctest.testmod(form)
    assert result.attempted > 0
    assert result.failed == 0


def weak(sheet: CueSheet) -> CueSheet:
    return replace(sheet, boundaries=tuple(replace(one, strength=0.1) for one in sheet.boundaries))


FILM = weak(cue_sheet_of(60, 6, 12, 20, 28, 34, 40, 49, affect=HAPPY_SAD_HAPPY))


def test_a_section_begins_at_a_hit_point_where_the_film_changes_its_feeling() -> None:
    assert starts_of(FILM) == [0, 20, 40]


def test_a_strong_cut_begins_a_section_and_a_weak_one_does_not() -> None:
    sheet = cue_sheet_of(60, 20, affect=FLAT)
    assert starts_of(sheet) == [0, 20]
    assert starts_of(weak(sheet))[1] > 39


def test_without_hit_points_a_section_begins_after_40_s_on_a_bar_line() -> None:
    assert starts_of(cue_sheet_of(200, affect=FLAT)) == [0, 40, 80, 120, 160]


def test_a_short_film_has_one_section() -> None:
    assert starts_of(cue_sheet_of(20, 4, 9, 13)) == [0]


def test_the_same_feeling_brings_its_theme_back_and_the_last_section_the_first() -> None:
    composition = compose(FILM, unhurried())
    assert [one.theme for one in composition.sections] == ["A", "B", "A"]


def similarity(composition: Composition, here_s: float, there_s: float) -> float:
    bars = np.array(composition.bar_onsets_ticks)
    table = bar_similarities(composition.notes, bars, composition.duration_ticks)
    here, there = (int(np.searchsorted(bars, round(time_s * 125))) for time_s in (here_s, there_s))
    return float(table[here, there])


@pytest.mark.parametrize("sync", [SyncMode.EXACT, SyncMode.BEAT])
@pytest.mark.parametrize("seed", range(3))
def test_a_theme_comes_back_note_for_note_and_boundaries_are_still_hit(sync: SyncMode, seed: int) -> None:
    options = ComposeOptions(seed=seed, sync=sync, affect_guidance=1.0, tempo_bpm=120.0)
    composition = compose_with(unhurried(seed=seed), FILM, options)
    assert [hit.chord_onset_ticks for hit in composition.hits] == [
        round(hit.boundary.time_s * 125) for hit in composition.hits
    ]
    assert similarity(composition, 0, 40) > 0.4  # the boundary's chord joins it
    assert similarity(composition, 2, 42) > 0.8
    plain = compose_with(
        unhurried(seed=seed),
        FILM,
        ComposeOptions(seed=seed, sync=sync, affect_guidance=1.0, tempo_bpm=120.0, themes=False),
    )
    assert similarity(plain, 2, 42) < 0.2


def test_nothing_of_the_section_before_sounds_into_a_theme_that_comes_back() -> None:
    notes = compose(FILM, MadeUpModel()).notes
    ends = notes["onset_ticks"] + notes["duration_ticks"]
    assert not ((notes["onset_ticks"] < 5000) & (ends > 5000)).any()


def test_a_theme_moves_to_the_tempo_of_its_new_place() -> None:
    bars = plan_bars([1000, 2040], 3200, 120.0)  # 8 beats of 125 ticks, then 8 of 130
    notes = np.array([(0, 60, PIANO, 60, 80), (125, 10, DRUMS, 38, 80), (900, 400, BASS, 40, 80)], NOTE_DTYPE)
    piece = Piece(notes, bars.bars_ticks[:2], np.array([0]), 1000)
    found = Theme.of(piece, bars, 0, 1000)
    assert found is not None
    assert found.beats == 16
    quoted, chords, stop_ticks = found.quoted(bars, 1000, 2040)
    assert quoted["onset_ticks"].tolist() == [1000, 1065 * 2 - 1000, 1000 + round(900 / 62.5 * 65)]
    assert chords.tolist() == [1000]
    assert stop_ticks == 2040


def test_a_theme_is_cut_at_whole_bars_before_the_next_boundary() -> None:
    bars = plan_bars([], 3000, 120.0)
    notes = np.array([(ticks, 60, PIANO, 60, 80) for ticks in range(0, 1000, 50)], NOTE_DTYPE)
    found = Theme.of(Piece(notes, bars.bars_ticks, np.zeros(0, np.int64), 1000), bars, 0, 1000)
    assert found is not None
    quoted, _, stop_ticks = found.quoted(bars, 1500, 2100)
    assert stop_ticks == 2000
    assert quoted["onset_ticks"].max() < 2000


def test_a_place_that_is_no_bar_line_or_holds_no_whole_bar_gets_no_theme() -> None:
    bars = plan_bars([], 3000, 120.0)
    piece = Piece(np.zeros(0, NOTE_DTYPE), bars.bars_ticks, np.zeros(0, np.int64), 1000)
    assert Theme.of(piece, bars, 10, 1000) is None
    assert Theme.of(piece, bars, 0, 200) is None


D_MAJOR = [62, 64, 66, 67, 69, 71, 73]


def moved(before: Key, now: Key) -> list[int]:
    rows = [(0, 5, PIANO, pitch, 80) for pitch in D_MAJOR] + [(0, 5, DRUMS, 42, 80)]
    pitches = in_key(np.array(rows, NOTE_DTYPE), before, now)["pitch"].tolist()
    assert pitches[-1] == 42
    return pitches[:-1]


def test_in_minor_the_third_sixth_and_seventh_are_lowered_and_drums_stay() -> None:
    assert moved(Key(2, Mode.MAJOR), Key(2, Mode.MINOR)) == [62, 64, 65, 67, 69, 70, 72]


@pytest.mark.parametrize("now", [Key(2), Key(2, Mode.MAJOR)])
def test_a_key_without_another_mode_changes_nothing(now: Key) -> None:
    assert moved(Key(2, Mode.MAJOR), now) == D_MAJOR


@pytest.mark.parametrize(("tonic", "by"), [(0, -2), (8, 6), (9, -5), (3, 1)])
def test_a_theme_moves_to_another_tonic_by_the_nearest_way(tonic: int, by: int) -> None:
    assert moved(Key(2), Key(tonic)) == [pitch + by for pitch in D_MAJOR]
