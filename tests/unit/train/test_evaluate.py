"""What the evaluation counts, on made-up pieces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch")
pytest.importorskip("lightning_fabric", reason="training needs Lightning Fabric")

from made_up_shards import made_up_piece, write_shards

from emsync.music.tokenizer import encode
from emsync.types import TICKS_PER_S, Boundary, Composition, Hit
from emsync_train.dataset import Shards
from emsync_train.evaluate import (
    FIGURES,
    GAPS_S,
    PIECE_S,
    boundary_figures,
    film_of,
    human_stretches,
    music_figures,
)


def composition(boundaries_s: list[float], chords_s: list[float]) -> Composition:
    hits = tuple(Hit(Boundary(time_s, 1.0, "cut"), None) for time_s in boundaries_s)
    chords = tuple(round(time_s * TICKS_PER_S) for time_s in chords_s)
    return Composition(made_up_piece(0).notes, (), chords, 1000, hits, 0, "")


def test_made_up_films_have_cuts_as_far_apart_as_promised() -> None:
    for seed in range(20):
        times_s = [boundary.time_s for boundary in film_of(np.random.default_rng(seed), "film").boundaries]
        gaps_s = np.diff([0.0, *times_s])
        assert (gaps_s >= GAPS_S[0] - 1e-3).all()
        assert (gaps_s <= GAPS_S[1] + 1e-3).all()
        assert times_s[-1] < PIECE_S - 1


def test_chords_on_every_boundary_score_one_and_on_another_films_zero() -> None:
    pieces = [composition([2.0, 6.0], [2.0, 6.0]), composition([4.0, 8.4], [4.0, 8.4])]
    figures = boundary_figures(pieces)
    assert (figures["boundaries"], figures["f1_50_ms"], figures["shuffled_f1_250_ms"]) == (4, 1.0, 0.0)


def test_a_late_chord_counts_at_the_wide_tolerance_only() -> None:
    figures = boundary_figures([composition([2.0], [2.2]), composition([2.0], [2.2])])
    assert (figures["f1_50_ms"], figures["f1_250_ms"], figures["recall_1000_ms"]) == (0.0, 1.0, 1.0)


def test_human_stretches_are_as_long_as_composed_pieces_and_hold_no_note_beyond(tmp_path: Path) -> None:
    pieces = [encode(made_up_piece(seed, bars=60)) for seed in range(3)]
    shards = Shards(write_shards(tmp_path, pieces, splits=["test", "test", "train"]))
    for notes, bars, length in human_stretches(shards, {}, 5):
        assert length == PIECE_S * TICKS_PER_S
        assert len(notes) > 50
        assert (notes["onset_ticks"] + notes["duration_ticks"] <= length).all()
        assert len(bars) in (31, 32)


def test_every_figure_has_a_mean_over_all_stretches() -> None:
    piece = made_up_piece(1)
    table = music_figures([(piece.notes, piece.bar_onsets_ticks, piece.end_ticks)] * 2)
    assert set(table) == set(FIGURES)
    assert all(figure["pieces"] == 2 and figure["deviation"] == 0 for figure in table.values())
