"""The piano roll, read back as pixels where it is a picture."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from benchmarks.music.piano_roll import Roll, draw, roll_of_composition, roll_of_midi, shown

from emsync.errors import InputError
from emsync.music.midi_file import write_midi
from emsync.types import (
    NOTE_DTYPE,
    AffectCurve,
    AffectPoint,
    Boundary,
    Composition,
    CueSheet,
    Hit,
    InstrumentGroup,
)

DRUMS, BASS, PIANO = InstrumentGroup.DRUMS, InstrumentGroup.BASS, InstrumentGroup.PIANO
ASKED = Boundary(2.0, 1.0, "user")
MISSED = Boundary(3.0, 1.0, "cut")
CUE_SHEET = CueSheet(
    title="garden",
    duration_s=4.0,
    frame_rate_fps=Fraction(25),
    cuts=(),
    shots=(),
    boundaries=(ASKED, MISSED),
    dropped=(),
    affect=AffectCurve((AffectPoint(0.0, 0.5, -0.5),)),
)
COMPOSITION = Composition(
    notes=np.array(
        [
            (0, 250, BASS, 36, 80),
            *((0, 240, PIANO, pitch, 100) for pitch in (60, 64, 67)),
            (252, 9, DRUMS, 36, 90),
        ],
        NOTE_DTYPE,
    ),
    bar_onsets_ticks=(0, 250),
    chord_onsets_ticks=(0, 252),
    duration_ticks=500,
    hits=(Hit(ASKED, 252), Hit(MISSED, None)),
    seed=0,
    weights_sha256="",
)


@pytest.fixture
def score(tmp_path: Path) -> Path:
    write_midi(COMPOSITION, CUE_SHEET, tmp_path / "score.mid")
    return tmp_path / "score.mid"


def test_a_composition_shows_its_own_chords_and_the_onsets_that_answered() -> None:
    roll = roll_of_composition(COMPOSITION, CUE_SHEET)
    assert roll.chord_onsets_s.tolist() == pytest.approx([0.0, 2.016])
    assert roll.answers_s.tolist() == pytest.approx([2.016])
    assert roll.boundaries_s.tolist() == [2.0, 3.0]


def test_bars_boundaries_and_answers_are_read_from_a_composed_file(score: Path) -> None:
    roll = roll_of_midi(score)
    assert roll.bar_onsets_s.tolist() == pytest.approx([0.0, 2.0], abs=0.001)
    assert roll.boundaries_s.tolist() == pytest.approx([2.0, 3.0], abs=0.001)
    assert roll.answers_s.tolist() == pytest.approx([2.016], abs=0.001)
    assert roll.chord_onsets_s.tolist() == [0.0]


def test_a_cue_sheet_gives_a_file_its_affect_and_length(score: Path) -> None:
    assert roll_of_midi(score).affect is None
    roll = roll_of_midi(score, CUE_SHEET)
    assert (roll.affect, roll.end_s) == (CUE_SHEET.affect, 4.0)


def test_only_notes_that_sound_in_the_chosen_part_are_kept() -> None:
    part = shown(roll_of_composition(COMPOSITION, CUE_SHEET), 1.95, 2.01)
    assert part.notes["group"].tolist() == [BASS]


@pytest.mark.parametrize(("begin_s", "end_s"), [(5.0, None), (2.0, 2.0), (-1.0, 2.0)])
def test_a_part_without_music_is_refused(begin_s: float, end_s: float | None) -> None:
    with pytest.raises(InputError, match="choose times within it"):
        shown(roll_of_composition(COMPOSITION, CUE_SHEET), begin_s, end_s)


def drawn(roll: Roll, folder: Path) -> np.ndarray:
    """Pixels of the picture, shape (height, width, 4), in [0, 1]."""
    image = pytest.importorskip("matplotlib.image")
    draw(roll, folder / "roll.png")
    return np.asarray(image.imread(folder / "roll.png"))


def test_a_minute_is_1600_by_700_pixels_and_more_is_wider(tmp_path: Path) -> None:
    roll = roll_of_composition(COMPOSITION, CUE_SHEET)
    assert drawn(roll, tmp_path).shape == (700, 1600, 4)
    assert drawn(shown_for(roll, 90.0), tmp_path).shape == (700, 2400, 4)


def shown_for(roll: Roll, end_s: float) -> Roll:
    return Roll(**{**vars(roll), "end_s": end_s})


def test_a_loud_note_is_darker_than_a_soft_one(tmp_path: Path) -> None:
    def darkness(velocity: int) -> float:
        notes = COMPOSITION.notes[:1].copy()
        notes["velocity"] = velocity
        silent = Composition(**{**vars(COMPOSITION), "notes": notes})
        return float(1 - drawn(roll_of_composition(silent, CUE_SHEET), tmp_path)[:, :, 1].mean())

    assert darkness(120) > darkness(30)
