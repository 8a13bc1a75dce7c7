"""The contract of cut detectors, the filter behind them, and the shots between cuts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from emsync.types import Cut, SampledFrame, Shot
from emsync.video.cuts import DETECTOR_NAMES, Candidate, CutFilter, detector_named, shots_between

GRAY, RED, WHITE = (np.full((4, 6, 3), level, dtype=np.uint8) for level in (90, 150, 255))


def _candidate(time_s: float, strength: float, before=GRAY, after=RED) -> Candidate:  # type: ignore[no-untyped-def]
    opening = SampledFrame(time_s, np.zeros((224, 224, 3), dtype=np.uint8))
    return Candidate(Cut(time_s, strength), opening, before=before, after=after)


def _filtered(candidates: list[Candidate]) -> list[float]:
    """Times of the cuts that stay, when the last picture is shown to the end."""
    cut_filter = CutFilter()
    kept = []
    for candidate in candidates:
        kept.append(cut_filter.settle(candidate.cut.time_s, candidate.before))
        cut_filter.add(candidate)
    kept.append(cut_filter.finish(candidates[-1].after))
    return [candidate.cut.time_s for candidate in kept if candidate]


def test_shots_fill_the_video_without_gap() -> None:
    cuts = [Cut(1.0, 0.5), Cut(2.5, 0.5)]
    assert shots_between(cuts, 4.0) == (Shot(0.0, 1.0), Shot(1.0, 2.5), Shot(2.5, 4.0))


def test_a_video_without_cuts_is_one_shot() -> None:
    assert shots_between((), 4.0) == (Shot(0.0, 4.0),)


@pytest.mark.parametrize("times_s", [[0.0], [4.0], [2.0, 2.0], [3.0, 1.0], [-1.0]])
def test_cuts_outside_the_video_or_out_of_order_are_a_callers_mistake(times_s: list[float]) -> None:
    with pytest.raises(ValueError, match="strictly increasing"):
        shots_between([Cut(time_s, 0.5) for time_s in times_s], 4.0)


def test_distant_cuts_all_stay() -> None:
    assert _filtered([_candidate(1.0, 0.5), _candidate(1.25, 0.4, RED, GRAY), _candidate(2, 0.3)]) == [
        1.0,
        1.25,
        2,
    ]


def test_cuts_exactly_a_fifth_of_a_second_apart_all_stay_whatever_the_rounding() -> None:
    pictures = [GRAY, RED, WHITE]
    times_s = [number * 0.2 for number in range(1, 20)]
    candidates = [
        _candidate(time_s, 0.5, pictures[number % 3], pictures[(number + 1) % 3])
        for number, time_s in enumerate(times_s)
    ]
    assert _filtered(candidates) == times_s


def test_of_cuts_closer_than_a_fifth_of_a_second_the_strongest_stays() -> None:
    candidates = [_candidate(1.0, 0.5), _candidate(1.1, 0.9, RED, WHITE), _candidate(1.2, 0.6, WHITE, RED)]
    assert _filtered(candidates) == [1.1]


def test_a_flash_is_no_cut() -> None:
    assert _filtered([_candidate(1.0, 0.9, GRAY, WHITE), _candidate(1.04, 0.9, WHITE, GRAY)]) == []


def test_a_flash_whose_end_the_detector_missed_is_no_cut() -> None:
    cut_filter = CutFilter()
    cut_filter.add(_candidate(1.0, 0.9, GRAY, WHITE))
    assert cut_filter.settle(1.1, WHITE) is None
    assert cut_filter.settle(1.3, GRAY) is None
    assert cut_filter.finish(GRAY) is None


def test_a_flash_that_hides_a_cut_is_a_cut() -> None:
    assert _filtered([_candidate(1.0, 0.9, GRAY, WHITE), _candidate(1.04, 0.8, WHITE, RED)]) == [1.0]


def test_a_change_too_small_to_see_is_no_cut() -> None:
    assert _filtered([_candidate(1.0, 0.9, GRAY, GRAY + 4)]) == []


def test_strobe_light_neither_fills_memory_nor_breaks_the_distance() -> None:
    pictures = [GRAY, WHITE, RED]
    strobe = [
        _candidate(number / 10, 0.5, pictures[number % 3], pictures[(number + 1) % 3])
        for number in range(1, 600)
    ]
    cut_filter = CutFilter()
    kept_s = []
    for candidate in strobe:
        found = cut_filter.settle(candidate.cut.time_s, candidate.before)
        kept_s += [found.cut.time_s] if found else []
        cut_filter.add(candidate)
        assert candidate.cut.time_s - cut_filter.pending_s <= 1.0
    assert kept_s
    assert np.diff(kept_s).min() >= 0.2 - 1e-6


def test_an_unknown_detector_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=", ".join(DETECTOR_NAMES)):
        detector_named("psychic")


def test_every_detector_goes_by_its_name_and_has_a_file() -> None:
    folder = Path(__file__).parents[3] / "src/emsync/video/detectors"
    for name in DETECTOR_NAMES:
        assert detector_named(name).name == name
        assert (folder / f"{name}.py").is_file()
