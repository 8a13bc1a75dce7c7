"""Ducking over time, and windows that fit together."""

from __future__ import annotations

import numpy as np
import pytest
from sound_examples import RATE_HZ, Sound, tone

from emsync.audio.mix import Ducker, RollingSource


def speech(*spans_s: tuple[float, float], duration_s: float = 6.0) -> Sound:
    sound = np.zeros((2, round(duration_s * RATE_HZ)), np.float32)
    for start_s, stop_s in spans_s:
        first, last = round(start_s * RATE_HZ), round(stop_s * RATE_HZ)
        sound[:, first:last] = tone(300, stop_s - start_s)
    return sound


def gain_db(ducker: Ducker, original: Sound) -> np.ndarray:
    return 20 * np.log10(ducker.gain(original))


def test_music_goes_down_while_the_film_speaks_and_comes_back() -> None:
    level = gain_db(Ducker(-9.0), speech((1.0, 3.0)))
    assert np.abs(level[: RATE_HZ - 480]).max() < 1e-3
    assert level[round(1.3 * RATE_HZ)] < -8.5
    assert level[round(2.9 * RATE_HZ)] == pytest.approx(-9.0, abs=0.05)
    assert level[round(3.3 * RATE_HZ)] < -8.5
    assert level[-1] > -0.5


def test_a_short_pause_in_speech_does_not_pump() -> None:
    level = gain_db(Ducker(-9.0), speech((1.0, 3.0), (3.3, 5.0)))
    assert level[2 * RATE_HZ : 5 * RATE_HZ].max() < -8.9


def test_faint_noise_does_not_duck() -> None:
    hiss = 0.001 * np.random.default_rng(0).standard_normal((2, 2 * RATE_HZ)).astype(np.float32)
    assert np.abs(gain_db(Ducker(-9.0), hiss)).max() < 1e-3


def test_ducking_never_jumps() -> None:
    gain = Ducker(-18.0).gain(speech((1.0, 3.0)))
    assert np.abs(np.diff(gain)).max() < 0.001


def test_windows_duck_as_the_whole_does() -> None:
    original = speech((1.0, 3.0))
    whole, ducker = Ducker(-9.0).gain(original), Ducker(-9.0)
    parts = [
        ducker.gain(original[:, start : start + RATE_HZ]) for start in range(0, original.shape[1], RATE_HZ)
    ]
    assert np.allclose(np.concatenate(parts), whole, atol=1e-6)


def test_a_rolling_source_reads_as_the_whole_sound() -> None:
    sound = np.random.default_rng(1).standard_normal((2, 10_000)).astype(np.float32)
    windows = iter([sound[:, start : start + 1_300] for start in range(0, 10_000, 1_300)])
    source = RollingSource(windows, 10_000)
    padded = np.pad(sound, ((0, 0), (500, 500)))
    for start in range(0, 10_000, 700):
        first, last = start - 500, min(start + 700, 10_000) + 500
        assert np.array_equal(source.read(first, last), padded[:, first + 500 : last + 500])
