"""Fades through black are found, and nothing that only darkens."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.media import make_video

from emsync.video.cuts import detector_named
from emsync.video.fades import FadeWatch
from emsync.video.frames import scan
from emsync.video.gradual_change import GradualChange
from emsync.video.pictures import Picture
from emsync.video.probe import probe

FPS = 24
NO_FRAME: Any = None


def watched(levels: Sequence[float]) -> list[GradualChange]:
    """The fades in frames of one brightness each."""
    watch = FadeWatch()
    pictures = (
        Picture(number / FPS, np.full((4, 6, 3), round(level), np.uint8), NO_FRAME)
        for number, level in enumerate(levels)
    )
    return [fade for fade in map(watch.watch, pictures) if fade is not None]


def shot(level: float, frames: int = 40) -> list[float]:
    """A shot that flickers a little."""
    return [level + 0.6 * (-1) ** number for number in range(frames)]


def ramp(first: float, last: float, frames: int) -> list[float]:
    return np.linspace(first, last, frames + 2)[1:-1].tolist()


@pytest.mark.parametrize("frames", [4, 8, 20, 60, 120])
@pytest.mark.parametrize(("before", "after"), [(120, 120), (40, 200), (200, 30)])
@pytest.mark.parametrize("black", [0, 1, 48])
def test_the_next_shot_begins_where_it_comes_out_of_the_dark(
    frames: int, before: float, after: float, black: int
) -> None:
    out, into = ramp(before, 0, frames), ramp(0, after, frames)
    (fade,) = watched([*shot(before), *out, *[0] * black, *into, *shot(after)])
    fall_s = 40 / FPS
    assert fall_s - 1.5 / FPS <= fade.begin_s <= fall_s + 0.45 * frames / FPS
    rise_s = (40 + frames + black) / FPS
    assert rise_s <= fade.cut.time_s <= rise_s + max(4, 0.35 * frames) / FPS


def test_a_short_fade_that_never_is_quite_black_is_one() -> None:
    assert len(watched([*shot(100), 80, 60, 40, 20, 20, 40, 60, 80, *shot(100)])) == 1


def test_a_fade_out_and_a_hard_cut_in_is_one_change() -> None:
    (fade,) = watched([*shot(100), *ramp(100, 0, 12), *[0] * 10, *shot(90)])
    assert fade.cut.time_s == (40 + 12 + 10) / FPS


@pytest.mark.parametrize(
    "levels",
    [
        [*shot(100), *shot(3), *shot(100)],
        [*shot(100), *[0] * 10, *ramp(0, 100, 12), *shot(100)],
        [*shot(100), *shot(150, 1), *shot(100), 240, *shot(100)],
        [*shot(100), *ramp(100, 40, 12), *shot(40), *ramp(40, 100, 12)],
        [*[0] * 30, *ramp(0, 100, 20), *shot(100)],
        [*shot(100), *ramp(100, 0, 20), *[0] * 30],
        [0] * 100,
        [1, 0, 2, 1] * 30,
        [*shot(180), *shot(50), *ramp(50, 25, 20), *shot(100)],
    ],
    ids=[
        "dark shot",
        "hard cut to black",
        "flashes",
        "half as bright",
        "beginning",
        "end",
        "black",
        "noise",
        "after a bright shot",
    ],
)
def test_what_is_no_fade_through_black_is_none(levels: list[float]) -> None:
    assert watched(levels) == []


def test_two_fades_are_two() -> None:
    once = [*ramp(100, 0, 10), 0, 0, *ramp(0, 100, 10), *shot(100)]
    assert len(watched([*shot(100), *once, *once])) == 2


@pytest.mark.parametrize("detector", ["adaptive", "content", "ffmpeg"])
def test_a_film_is_cut_once_in_each_fade_whatever_else_looks_for_cuts(tmp_path: Path, detector: str) -> None:
    fades_s = ((1.5, 2.5), (4.0, 5.0))
    film = make_video(tmp_path / "film.mp4", duration_s=7.0, fps=FPS, cuts_s=(2.0, 4.5, 6.0), fades_s=fades_s)
    seen = scan(probe(film), detector=detector_named(detector), frames_per_s=1.0, on_frame=lambda frame: None)
    cuts_s = [cut.time_s for cut in seen.cuts]
    for begin_s, end_s in fades_s:
        assert sum(begin_s < cut_s < end_s for cut_s in cuts_s) == 1
    if detector == "adaptive":
        assert cuts_s == pytest.approx([2.0, 4.5, 6.0], abs=0.15)
