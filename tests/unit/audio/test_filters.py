"""Filters of our own against SciPy's, which are too slow to import for the product."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from pyloudnorm.iirfilter import IIRfilter
from scipy import ndimage, signal
from sound_examples import RATE_HZ

from emsync.audio.filters import (
    BlockFilter,
    band_pass,
    fast_length,
    k_weighting,
    low_pass_taps,
    running_maximum,
    running_mean,
)
from emsync.audio.loudness import true_peaks, true_peaks_above

NOISE = np.random.default_rng(5).standard_normal((2, RATE_HZ))


def k_weighted_by_recursion(sound: np.ndarray) -> np.ndarray:
    shelf = IIRfilter(3.99984385397, 0.7071752369554193, 1681.9744509555319, RATE_HZ, "high_shelf_DeMan")
    rumble = IIRfilter(0.0, 0.5003270373253953, 38.13547087613982, RATE_HZ, "high_pass_DeMan")
    for stage in (shelf, rumble):
        sound = signal.lfilter(stage.b, stage.a, sound, axis=1)
    return sound


def test_k_weighting_is_that_of_the_recursive_filters_of_the_standard() -> None:
    reach = RATE_HZ // 5
    frames = fast_length(RATE_HZ // 2 + reach)
    weighting = BlockFilter(k_weighting(RATE_HZ, frames), frames, reach=reach)
    blocks = [
        weighting.add(NOISE[:, first:last]) for first, last in pairwise([0, 100, 20_000, 20_001, 44_000])
    ]
    ours = np.concatenate(blocks, axis=1)
    assert np.abs(ours - k_weighted_by_recursion(NOISE)[:, :44_000]).max() < 1e-9


def test_a_block_that_the_transform_cannot_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 90 frames, got 91"):
        BlockFilter(np.ones(51, complex), 100, reach=10).add(np.zeros((1, 91)))


def test_the_band_pass_is_butterworths() -> None:
    frames = 1 << 15
    ours = np.fft.irfft(band_pass(250.0, 6000.0, RATE_HZ, frames), frames)
    sections = signal.butter(1, (250.0, 6000.0), "bandpass", fs=RATE_HZ, output="sos")
    theirs = signal.sosfilt(sections, np.eye(1, frames)[0])
    assert np.abs(ours - theirs).max() < 1e-12


def test_low_pass_taps_are_firwins() -> None:
    theirs = signal.firwin(49, 1 / 4, window=("kaiser", 5.0))
    assert low_pass_taps(49, 1 / 4, beta=5.0) == pytest.approx(theirs, abs=1e-15)


def test_lengths_for_the_fourier_transform_have_small_factors() -> None:
    assert [fast_length(least) for least in (1, 7, 11, 110_976)] == [1, 8, 12, 112_500]


@pytest.mark.parametrize("width", [1, 3, 7, 481])
def test_running_maximum_and_mean_are_ndimages(width: int) -> None:
    values = NOISE[0, :3000]
    largest = ndimage.maximum_filter1d(values, width, mode="nearest")
    mean = ndimage.uniform_filter1d(values, width, mode="nearest")
    assert np.array_equal(running_maximum(values, width), largest)
    assert running_mean(values, width) == pytest.approx(mean, abs=1e-12)


def test_true_peaks_are_those_of_polyphase_oversampling() -> None:
    sound = NOISE.astype(np.float32)
    taps = signal.firwin(49, 1 / 4, window=("kaiser", 5.0)) * 4
    fine = np.abs(signal.upfirdn(taps, sound.astype(np.float64), up=4, axis=1))[:, 24 : 24 + 4 * RATE_HZ].max(
        axis=0
    )
    highest = fine.reshape(-1, 4).max(axis=1)
    assert true_peaks(sound)[1:] == pytest.approx(
        np.maximum.reduce([highest[1:], highest[:-1], np.abs(sound).max(axis=0)[1:]]), abs=1e-12
    )


@pytest.mark.parametrize("level", [0.2, 0.9, 2.0])
def test_peaks_above_a_level_are_the_same_as_if_all_were_looked_for(level: float) -> None:
    swells = np.abs(np.sin(np.arange(RATE_HZ) / 3000))[None, :] ** 8
    sound = (NOISE * swells).astype(np.float32)
    every, some = true_peaks(sound), true_peaks_above(sound, level)
    assert (every > level).any()
    assert np.array_equal(np.where(every > level, every, 0), np.where(some > level, some, 0))
    assert (some == 0).any()
