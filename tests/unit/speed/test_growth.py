"""How costs grow with length, and films of a length, on figures one can check by pencil."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.speed.growth import growth
from benchmarks.speed.lengths import of_length
from tests.media import make_video

from emsync.video.probe import probe

LENGTHS_S = (15.0, 60.0, 600.0, 3600.0)


def test_a_linear_cost_is_told_as_its_fixed_part_and_its_slope() -> None:
    found = growth(LENGTHS_S, [3 + 2 * length_s / 60 for length_s in LENGTHS_S])
    assert (found.fixed, found.per_minute) == (pytest.approx(3), pytest.approx(2))
    assert found.exponent < 0.9
    assert found.exponent_beyond_fixed == pytest.approx(1)


def test_a_quadratic_cost_is_not_taken_for_a_linear_one() -> None:
    found = growth(LENGTHS_S, [(length_s / 60) ** 2 for length_s in LENGTHS_S])
    assert found.exponent == pytest.approx(2)
    assert found.exponent_beyond_fixed == pytest.approx(2)


@pytest.mark.parametrize("length_s", [0.5, 2.0, 7.3])
def test_a_film_is_cut_or_repeated_to_a_length(tmp_path: Path, length_s: float) -> None:
    film = make_video(tmp_path / "film.mp4", duration_s=3.0, fps=25, audio_streams=1)
    made = probe(of_length(film, tmp_path / "made.mp4", length_s))
    assert made.duration_s == pytest.approx(length_s, abs=0.2)
    assert len(made.audio_streams) == 1
    assert sorted(path.name for path in tmp_path.glob("*.mp4")) == ["film.mp4", "made.mp4"]
