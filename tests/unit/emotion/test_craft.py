"""Measures of film craft, on frames whose light and colour are known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from emsync.emotion.features.craft import MEASURES, CraftMeter
from emsync.emotion.senses import CraftSense
from emsync.types import SampledFrame


def plain(red: int, green: int, blue: int) -> NDArray[np.uint8]:
    return np.full((224, 224, 3), (red, green, blue), np.uint8)


def noise(seed: int, *, low: int = 0, high: int = 256) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(low, high, (224, 224, 3)).astype(np.uint8)


def measured(*frames: NDArray[np.uint8], period_s: float = 1.0) -> dict[str, NDArray[np.float64]]:
    meter = CraftMeter()
    for index, rgb in enumerate(frames):
        meter.add(index * period_s, rgb)
    return dict(zip(MEASURES, meter.over_time()[1].T, strict=True))


def test_brightness_is_the_luma_of_television() -> None:
    found = measured(plain(255, 255, 255), plain(0, 255, 0), plain(0, 0, 0))["brightness"]
    assert found == pytest.approx([1.0, 0.7152, 0.0])


def test_half_black_and_half_white_is_all_the_contrast_there_is() -> None:
    halves = plain(0, 0, 0)
    halves[:112] = 255
    assert measured(halves, plain(90, 90, 90))["contrast"] == pytest.approx([1.0, 0.0])


def test_grey_has_no_colour_and_red_is_saturated_and_warm() -> None:
    found = measured(plain(128, 128, 128), plain(255, 0, 0), plain(0, 0, 255))
    assert found["saturation"] == pytest.approx([0, 1, 1])
    assert found["warmth"] == pytest.approx([0.5, 1.0, 0.0])
    assert found["colourfulness"][0] == 0 < found["colourfulness"][1]


def test_a_still_picture_neither_moves_nor_changes() -> None:
    found = measured(*[noise(1)] * 30)
    assert found["motion"].max() == found["pace"].max() == 0


def test_a_picture_that_shifts_moves_but_has_no_pace() -> None:
    wide = np.tile(np.repeat(np.arange(0, 256, 16), 28), (224, 1))  # (224, 448)
    frames = [
        np.repeat(wide[:, shift : shift + 224, None], 3, axis=2).astype(np.uint8) for shift in range(0, 70, 7)
    ]
    found = measured(*frames)
    assert found["motion"].min() > 0.02
    assert found["pace"].max() < 0.3


def test_cuts_every_second_have_more_pace_than_one_cut() -> None:
    red, blue = (
        noise(1, low=150) * np.array([1, 0, 0], np.uint8),
        noise(2, low=150) * np.array([0, 0, 1], np.uint8),
    )
    fast = measured(*[red, blue] * 10)
    slow = measured(*[red] * 10, *[blue] * 10)
    assert fast["pace"] == pytest.approx(np.ones(20))
    assert 0 < slow["pace"].max() < 0.2
    assert slow["motion"].max() < 0.05  # a cut is no motion


def test_the_measures_do_not_depend_on_how_often_frames_come() -> None:
    def film(time_s: float) -> NDArray[np.uint8]:
        shifted = np.roll(noise(int(time_s // 3)), round(time_s * 8), axis=1)
        return np.asarray(shifted.reshape(224, 224, 3) // (1 + int(time_s // 3) % 2))

    once = CraftMeter()
    twice = CraftMeter()
    for half_s in range(120):
        twice.add(half_s / 2, film(half_s / 2))
        if half_s % 2 == 0:
            once.add(half_s / 2, film(half_s / 2))
    (_, slow), (_, fast) = once.over_time(), twice.over_time()
    assert fast.mean(axis=0) == pytest.approx(slow.mean(axis=0), abs=0.02)


def test_a_film_of_one_frame_and_a_black_one_say_nothing_of_craft() -> None:
    single, black = CraftSense(), CraftSense()
    single.accept_frame(SampledFrame(0.0, noise(1)))
    for time_s in range(5):
        black.accept_frame(SampledFrame(float(time_s), plain(0, 0, 0)))
    for sense in (single, black):
        assert sense.moments().values.shape == (0, len(MEASURES))


def test_every_measure_of_wild_pictures_is_between_nothing_and_all() -> None:
    frames = [noise(seed, low=seed * 20, high=256 - seed) for seed in range(12)]
    values = np.array(list(measured(*frames, plain(255, 0, 255), plain(0, 0, 0)).values()))
    assert values.min() >= 0
    assert values.max() <= 1
