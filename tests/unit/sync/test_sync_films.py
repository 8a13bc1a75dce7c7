"""Made-up cut lists have the statistics they claim, and chance is taken from other films."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from benchmarks.sync.films import (
    KINDS,
    REAL,
    SHORTEST_SHOT_S,
    film_of_kind,
    films,
    others_of_its_kind,
    real_cut_lists,
    shot_lengths,
    without_boundaries,
)

ALL_KINDS = [*(kind.name for kind in KINDS), REAL]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_shot_lengths_have_the_mean_of_their_kind(kind: object) -> None:
    mean_s = kind.mean_shot_s  # type: ignore[attr-defined]
    lengths = np.array(list(itertools.islice(shot_lengths(mean_s, np.random.default_rng(0)), 20_000)))
    assert lengths.mean() == pytest.approx(mean_s, rel=0.1)  # the shortest are drawn again, so a little more
    assert lengths.min() >= SHORTEST_SHOT_S


def test_shot_lengths_vary_by_more_than_their_mean_and_their_logarithm_is_symmetrical() -> None:
    lengths = np.array(list(itertools.islice(shot_lengths(8.0, np.random.default_rng(0)), 20_000)))
    assert lengths.std() / lengths.mean() == pytest.approx(1.2, abs=0.1)
    logs = np.log(lengths)
    assert abs(np.median(logs) - logs.mean()) < 0.02


def test_a_film_is_the_same_every_time_and_no_other() -> None:
    assert film_of_kind("trailer", 3, 25.0) == film_of_kind("trailer", 3, 25.0)
    assert film_of_kind("trailer", 3, 25.0).sheet.cuts != film_of_kind("trailer", 4, 25.0).sheet.cuts
    assert film_of_kind("music clip", 3, 25.0).sheet.cuts != film_of_kind("advertisement", 3, 25.0).sheet.cuts


def test_kinds_come_in_turn() -> None:
    assert [film.kind for film in films(7, 25.0)] == [*ALL_KINDS, *ALL_KINDS[:2]]
    assert len({film.name for film in films(20, 25.0)}) == 20


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_every_film_has_a_boundary_that_counts_and_none_beyond_what_is_measured(kind: str) -> None:
    for number in range(6):
        film = film_of_kind(kind, number, 25.0)
        assert len(film.boundaries_s) >= 1
        assert film.boundaries_s.max() <= film.measured_to_s == 20.0
        assert set(film.boundaries_s) <= set(film.cuts_s)


def test_boundaries_keep_the_distance_of_spotting() -> None:
    boundaries_s = [boundary.time_s for boundary in film_of_kind("trailer", 0, 60.0).sheet.boundaries]
    assert np.diff(boundaries_s).min() >= 4.0 - 1e-6


def test_cuts_of_a_made_up_film_lie_on_frames_but_mostly_not_on_ticks() -> None:
    cuts_s = np.array([cut.time_s for cut in film_of_kind("trailer", 0, 60.0).sheet.cuts])
    assert np.abs(cuts_s * 24 - np.rint(cuts_s * 24)).max() < 0.02  # times are rounded to the millisecond
    assert np.mean(np.abs(cuts_s * 125 - np.rint(cuts_s * 125)) > 0.1) > 0.5


def test_excerpts_hold_cuts_of_the_real_film_at_the_same_distances() -> None:
    film = film_of_kind(REAL, 0, 25.0)
    distances = np.diff([cut.time_s for cut in film.sheet.cuts])
    whole = [np.array([cut.time_s for cut in cuts]) for _, cuts in real_cut_lists().values()]
    assert any(
        len(cuts_s) > len(distances)
        and any(
            np.allclose(np.diff(cuts_s)[first : first + len(distances)], distances, atol=0.002)
            for first in range(len(cuts_s) - len(distances))
        )
        for cuts_s in whole
    )


def test_pieces_longer_than_every_real_film_are_refused() -> None:
    with pytest.raises(ValueError, match="no real film lasts"):
        film_of_kind(REAL, 0, 500.0)


def test_chance_comes_from_other_films_of_the_kind_only() -> None:
    every = films(12, 25.0)
    others = others_of_its_kind(every[0], every)
    assert [film.name for film in others] == ["trailer 1", "trailer 2"]


def test_an_untold_film_has_no_cut_and_keeps_length_and_affect() -> None:
    sheet = film_of_kind("trailer", 0, 25.0).sheet
    untold = without_boundaries(sheet)
    assert not untold.boundaries
    assert not untold.cuts
    assert (untold.duration_s, untold.affect) == (sheet.duration_s, sheet.affect)
