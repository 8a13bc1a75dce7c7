"""The sound bed of the sample film, a function a place: length in samples -> mono float, about -26 dBFS.

Wind, waves, rain, birds, footsteps, fire: quiet enough to lie under music, loud enough to hear it duck.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

SAMPLE_RATE_HZ = 48_000

Sound: TypeAlias = NDArray[np.float64]


def _times_s(length: int) -> Sound:
    return np.arange(length) / SAMPLE_RATE_HZ


def _noise(length: int, low_hz: float, high_hz: float, seed: int) -> Sound:
    """Noise between two frequencies, about 1.0 in standard deviation."""
    white = np.random.default_rng(seed).standard_normal(length)
    band = butter(2, (low_hz, high_hz), "bandpass", fs=SAMPLE_RATE_HZ, output="sos")
    sound = sosfilt(band, white)
    return np.asarray(sound / (sound.std() + 1e-9))


def _add_at(sound: Sound, start_s: float, grain: Sound) -> None:
    start = round(start_s * SAMPLE_RATE_HZ)
    end = min(start + len(grain), len(sound))
    if start < end:
        sound[start:end] += grain[: end - start]


def waves(length: int) -> Sound:
    """A calm sea: noise that swells every four seconds."""
    swell = 0.35 + 0.65 * np.sin(np.pi * _times_s(length) / 4.0) ** 2
    return 0.04 * swell * _noise(length, 150, 1_800, 1)


def birds(length: int) -> Sound:
    """A light breeze and birdsong."""
    sound = 0.012 * _noise(length, 300, 2_000, 2)
    rng = np.random.default_rng(3)
    chirp_s = np.arange(round(0.11 * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    envelope = np.sin(np.pi * chirp_s / 0.11) ** 2
    for start_s in np.cumsum(rng.uniform(0.12, 0.5, 16)):
        low_hz = rng.uniform(2_600, 3_800)
        _add_at(sound, start_s, 0.05 * envelope * np.sin(2 * np.pi * (low_hz * chirp_s + 6_000 * chirp_s**2)))
    return sound


def thunderstorm(length: int) -> Sound:
    """Rain, wind, and thunder that rolls at 1.5 s and 3.7 s."""
    sound = 0.035 * _noise(length, 900, 9_000, 4) + 0.03 * _noise(length, 80, 500, 5)
    roll_s = _times_s(2 * SAMPLE_RATE_HZ)
    roll = 0.16 * np.exp(-1.8 * roll_s) * _noise(len(roll_s), 30, 140, 6)
    for start_s in (1.5, 3.7):
        _add_at(sound, start_s, roll)
    return sound


def footsteps(length: int) -> Sound:
    """A city at night: a low hum and someone who runs."""
    sound = 0.014 * _noise(length, 60, 240, 7)
    step_s = np.arange(round(0.09 * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    step = np.exp(-60 * step_s) * _noise(len(step_s), 200, 2_400, 8)
    for index, start_s in enumerate(np.arange(0.1, length / SAMPLE_RATE_HZ, 0.31)):
        _add_at(sound, start_s, (0.11 if index % 2 else 0.08) * step)
    return sound


def flames(length: int) -> Sound:
    """Fire: a roar and many small cracks."""
    sound = 0.05 * _noise(length, 60, 700, 9)
    rng = np.random.default_rng(10)
    crack_s = np.arange(round(0.02 * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    crack = np.exp(-300 * crack_s) * _noise(len(crack_s), 1_500, 9_000, 11)
    for start_s in rng.uniform(0, length / SAMPLE_RATE_HZ, round(length / SAMPLE_RATE_HZ * 14)):
        _add_at(sound, start_s, rng.uniform(0.03, 0.14) * crack)
    return sound


def wind(length: int) -> Sound:
    """Cold wind that rises and falls."""
    times_s = _times_s(length)
    gust = 0.45 + 0.35 * np.sin(times_s * 1.1) + 0.2 * np.sin(times_s * 2.7 + 1)
    return 0.032 * gust * _noise(length, 220, 620, 12)


def crickets(length: int) -> Sound:
    """A warm night."""
    times_s = _times_s(length)
    pulse = (np.sin(2 * np.pi * 15 * times_s) > 0.2) * (np.sin(2 * np.pi * 1.3 * times_s) > -0.2)
    soft = np.convolve(pulse, np.hanning(480) / 240, "same")
    return 0.02 * soft * np.sin(2 * np.pi * 4_300 * times_s) + 0.006 * _noise(length, 100, 600, 13)
