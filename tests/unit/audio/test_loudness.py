"""Loudness and true peak against known signals and another implementation; the limiter against both."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyloudnorm
import pytest
from sound_examples import RATE_HZ, tone

from emsync.audio.loudness import (
    SILENCE_LUFS,
    Limiter,
    LoudnessMeter,
    Sound,
    TruePeakMeter,
    to_gain,
    true_peaks,
)


class WholeSound:
    """Sound in memory, readable as the limiter reads a store."""

    def __init__(self, sound: Sound) -> None:
        self.sound = sound

    @property
    def frames(self) -> int:
        return self.sound.shape[1]

    def read(self, start: int, stop: int) -> Sound:
        padded = np.pad(self.sound, ((0, 0), (max(-start, 0), max(stop - self.frames, 0))))
        return padded[:, max(start, 0) : max(start, 0) + stop - start]


def loudness(sound: Sound, *, window: int = 10_007) -> float:
    meter = LoudnessMeter(RATE_HZ)
    for start in range(0, sound.shape[1], window):
        meter.feed(sound[:, start : start + window])
    return meter.integrated_lufs()


def noise_with_pauses(seed: int = 3) -> Sound:
    generator = np.random.default_rng(seed)
    steps = np.repeat(generator.choice([0.0, 0.003, 0.05, 0.3], 40), RATE_HZ // 4)
    return (generator.standard_normal((2, steps.size)) * steps * 0.3).astype(np.float32)


def test_the_first_case_of_ebu_tech_3341_reads_minus_23() -> None:
    assert loudness(tone(1000, 20, level=to_gain(-23))) == pytest.approx(-23.0, abs=0.1)


def test_gated_noise_reads_as_in_pyloudnorm() -> None:
    sound = noise_with_pauses()
    other = pyloudnorm.Meter(RATE_HZ, filter_class="DeMan").integrated_loudness(sound.T.astype(np.float64))
    assert loudness(sound) == pytest.approx(other, abs=0.02)


@pytest.mark.parametrize("window", [100, 4_800, 480_000])
def test_the_size_of_windows_does_not_matter(window: int) -> None:
    assert loudness(noise_with_pauses(), window=window) == pytest.approx(
        loudness(noise_with_pauses()), abs=1e-6
    )


def test_a_sound_shorter_than_a_block_reads_as_if_silence_followed() -> None:
    short = tone(1000, 0.2, level=0.5)
    padded = np.pad(short, ((0, 0), (0, round(0.2 * RATE_HZ))))
    assert loudness(short) == pytest.approx(loudness(padded), abs=0.05)


def test_silence_reads_as_the_absolute_gate() -> None:
    assert loudness(np.zeros((2, RATE_HZ), np.float32)) == SILENCE_LUFS


def test_a_peak_between_samples_is_found() -> None:
    places = np.arange(RATE_HZ)
    between = np.tile(np.sin(np.pi / 2 * places + np.pi / 4), (2, 1)).astype(np.float32)
    meter = TruePeakMeter()
    for start in range(0, RATE_HZ, 1000):
        meter.feed(
            between[:, start : start + 1000] * np.hanning(RATE_HZ)[start : start + 1000].astype(np.float32)
        )
    assert np.abs(between).max() == pytest.approx(0.7071, abs=0.001)
    assert meter.peak_db() == pytest.approx(0.0, abs=0.15)


def test_the_limiter_keeps_the_true_peak_below_its_ceiling() -> None:
    sound = noise_with_pauses()
    limiter = Limiter(WholeSound(sound), RATE_HZ, gain=6.0, ceiling_db=-1.0)
    edges = [*range(0, sound.shape[1], 50_000), sound.shape[1]]
    pieces = [limiter.read(start, stop) for start, stop in pairwise(edges)]
    limited = np.concatenate(pieces, axis=1)
    assert true_peaks(sound * 6).max() > 2.0
    assert true_peaks(limited).max() <= to_gain(-1.0)
    assert limiter.deepest_db > 6.0


def test_the_limiter_leaves_sound_below_the_ceiling_alone() -> None:
    sound = tone(440, 1.0, level=0.5)
    limiter = Limiter(WholeSound(sound), RATE_HZ, gain=1.0, ceiling_db=-1.0)
    assert np.array_equal(limiter.read(0, RATE_HZ), sound)
    assert limiter.deepest_db == 0.0


def test_the_limiter_is_the_same_whatever_the_windows() -> None:
    sound = noise_with_pauses()[:, : 2 * RATE_HZ]
    whole = Limiter(WholeSound(sound), RATE_HZ, gain=4.0, ceiling_db=-1.0).read(0, sound.shape[1])
    parts = Limiter(WholeSound(sound), RATE_HZ, gain=4.0, ceiling_db=-1.0)
    joined = np.concatenate(
        [parts.read(start, start + 9_600) for start in range(0, sound.shape[1], 9_600)], axis=1
    )
    assert np.abs(joined - whole).max() < 1e-3
