"""What the report says of boundaries on a click track."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from emsync.music.takes import Takes
from emsync.report import hits_for_people, music_as_json
from emsync.types import (
    NOTE_DTYPE,
    AffectCurve,
    AffectPoint,
    BeatGrid,
    Boundary,
    Composition,
    CueSheet,
    Hit,
    InstrumentGroup,
    MusicSection,
)

GRID = BeatGrid(tuple(0.5 * beat for beat in range(20)), (0, 4, 8, 12, 16))
HITS = (
    Hit(Boundary(2.0, 1.0, "cut"), 250),
    Hit(Boundary(3.504, 1.0, "cut"), 438),
    Hit(Boundary(5.3, 1.0, "user"), 662),
    Hit(Boundary(9.9, 1.0, "cut"), None),
)


def test_people_read_how_many_boundaries_fall_on_downbeats_on_other_beats_and_between() -> None:
    told = hits_for_people(HITS, GRID)
    assert told == (
        "3 of 4 hit, at most 4 ms off; 1 on downbeats, 1 on other beats, 1 between beats; missed at 9.90 s"
    )


def test_without_a_click_track_nothing_is_said_of_beats() -> None:
    assert "beat" not in hits_for_people(HITS)


def test_programs_read_where_each_boundary_falls_and_the_sections() -> None:
    composition = Composition(
        notes=np.array([(0, 10, InstrumentGroup.PIANO, 60, 80)], NOTE_DTYPE),
        bar_onsets_ticks=(0, 250),
        chord_onsets_ticks=(250, 438, 662),
        duration_ticks=1250,
        hits=HITS,
        seed=0,
        weights_sha256="",
        grid=GRID,
        sections=(MusicSection(0, "A"), MusicSection(500, "B")),
    )
    sheet = CueSheet("Film", 10.0, Fraction(25), (), (), (), (), AffectCurve((AffectPoint(0.0, 0.0, 0.0),)))
    facts = music_as_json(Path("a.mid"), Takes.of([composition], sheet))
    assert [one["falls_on"] for one in facts["boundaries"]] == ["downbeat", "beat", "between", None]
    assert facts["sections"] == [{"time_s": 0.0, "theme": "A"}, {"time_s": 4.0, "theme": "B"}]
