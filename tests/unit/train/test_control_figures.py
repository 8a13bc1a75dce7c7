"""The figures of `benchmarks/music/control.py` and `human_density.py`, on music one can check by pencil."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from benchmarks.music.control import (
    Heard,
    density_figures,
    instrument_figures,
    key_figures,
    tempo_figures,
)
from benchmarks.music.human_density import window_densities

from emsync.control import Key, Mode
from emsync.music.tokenizer import Piece
from emsync.types import NOTE_DTYPE, Composition, InstrumentGroup

PIANO, BASS = InstrumentGroup.PIANO, InstrumentGroup.BASS


def scale(tonic: int, steps: tuple[int, ...], *, group: int = PIANO, every_ticks: int = 25) -> Composition:
    """Twelve seconds of a scale, its tonic and fifth held longer, in bars of 2 s."""
    rows = [
        (
            ticks,
            every_ticks * (1 + 2 * (place % len(steps) in (0, 4))),
            group,
            60 + tonic + steps[place % len(steps)],
            80,
        )
        for place, ticks in enumerate(range(0, 1500, every_ticks))
    ]
    bars = tuple(range(0, 1500, 250))
    return Composition(np.array(rows, NOTE_DTYPE), bars, (1500,), 1600, (), 0, "")


MAJOR, MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)


@pytest.mark.parametrize("tonic", [0, 3, 10])
def test_the_key_of_a_scale_is_found(tonic: int) -> None:
    assert Heard.of(scale(tonic, MAJOR)).key == Key(tonic, Mode.MAJOR)
    assert Heard.of(scale(tonic, MINOR)).key == Key(tonic, Mode.MINOR)


def test_tempo_density_and_groups_are_read_from_the_stretch_alone() -> None:
    heard = Heard.of(scale(0, MAJOR, group=BASS), 4.0, 8.0)
    assert (heard.tempo_bpm, heard.density, heard.groups) == (120.0, 5.0, {BASS})


def test_figures_compare_what_was_asked_with_what_was_got() -> None:
    heard = Heard.of(scale(0, MAJOR))
    assert tempo_figures([(115.0, heard), (60.0, heard)])["within_10_percent"] == 0.5
    assert key_figures([(Key(0, Mode.MINOR), heard)]) == {"key": 0.0, "tonic": 1.0, "mode": 0.0}
    assert instrument_figures([((PIANO, BASS), heard)]) == {"exactly": 0.0, "no_other": 1.0}
    assert density_figures([(5.0, heard), (10.0, heard)]) == {"median_ratio": 0.75, "range": [0.5, 1.0]}


def test_silent_windows_are_left_out_of_the_density_of_windows() -> None:
    notes = np.array([(ticks, 10, PIANO, 60, 80) for ticks in (0, 50, 100, 1000)], NOTE_DTYPE)
    none = np.zeros(0, np.int64)
    piece = Piece(notes, none, none, 1250)
    assert window_densities(piece, 1250).tolist() == [1.5, 0.5, 0.5]
