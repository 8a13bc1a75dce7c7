"""Dissolves are found once each, and what moves, flashes or brightens is none."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from emsync.video.dissolves import DissolveWatch
from emsync.video.gradual_change import GradualChange
from emsync.video.pictures import Picture

FPS = 24
NO_FRAME: Any = None
Still = NDArray[np.float64]


def texture(seed: int, width: int = 114, level: float = 110.0) -> Still:
    """Large soft patches of colour, like a picture out of focus."""
    patches = np.random.default_rng(seed).normal(level, 70, (6, width // 12, 3))
    return np.clip(cv2.resize(patches, (width, 64), interpolation=cv2.INTER_CUBIC), 0, 255)


FIRST, SECOND = texture(1), texture(2)


def watched(stills: Iterable[Still], fps: float = FPS) -> list[GradualChange]:
    watch = DissolveWatch()
    noise = np.random.default_rng(0)
    changes = []
    for number, still in enumerate(stills):
        noisy = np.clip(still + noise.normal(0, 2, still.shape), 0, 255).astype(np.uint8)
        changes.append(watch.watch(Picture(number / fps, noisy, NO_FRAME)))
    return [change for change in changes if change is not None]


def mixed(first: Still, second: Still, frames: int) -> list[Still]:
    return [first + (second - first) * share for share in np.arange(1, frames + 1) / (frames + 1)]


@pytest.mark.parametrize("length_s", [0.35, 0.5, 0.75, 1.0])
@pytest.mark.parametrize("fps", [12, 23.976, 25, 30, 60])
def test_a_dissolve_is_found_once_inside_it(fps: float, length_s: float) -> None:
    frames, before = round(length_s * fps), round(2 * fps)
    (change,) = watched([FIRST] * before + mixed(FIRST, SECOND, frames) + [SECOND] * before, fps)
    assert (before - 1) / fps <= change.cut.time_s <= (before + frames + 1) / fps
    assert 0.2 < change.cut.time_s - change.begin_s < 0.4


def test_two_dissolves_are_two() -> None:
    still, other = [FIRST] * 40, [SECOND] * 40
    film = still + mixed(FIRST, SECOND, 12) + other + mixed(SECOND, FIRST, 12) + still
    assert len(watched(film)) == 2


def panned(frames: int, step: int) -> list[Still]:
    wide = texture(3, width=1200)
    return [wide[:, place * step : place * step + 114] for place in range(frames)]


def zoomed(frames: int) -> list[Still]:
    stills = []
    for number in range(frames):
        margin = number // 2
        stills.append(cv2.resize(FIRST[margin : 64 - margin, 2 * margin : 114 - 2 * margin], (114, 64)))
    return stills


@pytest.mark.parametrize(
    "film",
    [
        [FIRST] * 50,
        [FIRST] * 40 + [SECOND] * 40,
        [FIRST] * 30 + [SECOND] * 6 + [FIRST] * 30,
        [FIRST] * 40 + [0.5 * (FIRST + SECOND)] + [SECOND] * 40,
        [FIRST] * 40 + mixed(FIRST, np.clip(FIRST * 0.2, 0, 255), 12) + [FIRST * 0.2] * 40,
        [FIRST * 0] * 30 + mixed(FIRST * 0, FIRST, 12) + [FIRST] * 30,
        [texture(seed) for seed in range(60)],
        *(panned(90, step) for step in (1, 3, 8)),
        zoomed(40),
    ],
    ids=["still", "cut", "insert", "blended cut", "darker", "fade in", "strobe", *("pan",) * 3, "zoom"],
)
def test_what_is_no_dissolve_is_none(film: list[Still]) -> None:
    assert watched(film) == []


def test_a_film_of_few_frames_a_second_is_not_looked_at() -> None:
    assert watched([FIRST] * 20 + mixed(FIRST, SECOND, 4) + [SECOND] * 20, fps=6) == []


def test_a_slide_show_that_fades_over_is_not_looked_at_where_frames_are_missing() -> None:
    watch = DissolveWatch()
    times_s = [0.0, 0.04, 0.08, *(number / FPS for number in range(48, 60))]
    stills = [FIRST] * 3 + mixed(FIRST, SECOND, 8) + [SECOND] * 4
    pictures = [
        Picture(time_s, still.astype(np.uint8), NO_FRAME)
        for time_s, still in zip(times_s, stills, strict=True)
    ]
    assert [watch.watch(picture) for picture in pictures] == [None] * len(pictures)
