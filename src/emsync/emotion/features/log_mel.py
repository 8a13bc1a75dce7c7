"""Whisper's picture of sound: 80 mel bands every 10 ms, logarithmic.

Radford et al. 2022 (arXiv:2212.04356), section 2.2, with the numbers of the published preprocessor: windows of 25 ms
(Hann, periodic), mirrored edges, bands of Slaney's Auditory Toolbox (linear to 1 kHz, logarithmic above, equal area).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from emsync.types import SOUND_RATE_HZ, Floats

WINDOW_SAMPLES = 400
HOP_SAMPLES = 160
MEL_BANDS = 80
READ_SAMPLES = 30 * SOUND_RATE_HZ
READ_FRAMES = READ_SAMPLES // HOP_SAMPLES

DYNAMIC_RANGE = 8.0
"""What lies more than eight powers of ten (80 dB) below the loudest is raised to there."""

_LINEAR_STEP_HZ = 200 / 3
_LOGARITHMIC_FROM_HZ = 1000.0
_LOGARITHMIC_STEP = np.log(6.4) / 27


def log_mel(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """The spectrogram of at most 30 s, silence added up to 30 s.

    Args:
        samples: shape (N,), N <= 480000, 16 kHz, full scale 1.
    Returns: shape (80, 3000), about -1 to 1.5.
    Raises: ValueError for another shape.
    """
    if samples.ndim != 1 or samples.size > READ_SAMPLES:
        raise ValueError(f"at most {READ_SAMPLES} samples in one row expected, got {samples.shape}")
    sound = np.zeros(READ_SAMPLES, np.float32)
    sound[: samples.size] = samples
    mirrored = np.pad(sound, WINDOW_SAMPLES // 2, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(mirrored, WINDOW_SAMPLES)[::HOP_SAMPLES][:READ_FRAMES]
    hann = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW_SAMPLES) / WINDOW_SAMPLES)).astype(np.float32)
    power = np.abs(np.fft.rfft(windows * hann, axis=1)) ** 2
    logarithm = np.log10(np.maximum(mel_bands() @ power.T, 1e-10))
    return np.asarray((np.maximum(logarithm, logarithm.max() - DYNAMIC_RANGE) + 4) / 4, dtype=np.float32)


@cache
def mel_bands() -> Floats:
    """Weights of the 201 frequencies in each band, shape (80, 201); triangles of area 1 on the mel scale."""
    frequencies_hz = np.linspace(0, SOUND_RATE_HZ / 2, WINDOW_SAMPLES // 2 + 1)
    edges_hz = hz_of_mel(np.linspace(0, mel_of_hz(SOUND_RATE_HZ / 2), MEL_BANDS + 2))[:, None]
    left, middle, right = edges_hz[:-2], edges_hz[1:-1], edges_hz[2:]
    rising = (frequencies_hz - left) / (middle - left)
    falling = (right - frequencies_hz) / (right - middle)
    return np.asarray(np.maximum(0, np.minimum(rising, falling)) * 2 / (right - left))


def mel_of_hz(frequency_hz: float) -> float:
    """Slaney's mel scale.

    >>> mel_of_hz(1000.0), round(mel_of_hz(6400.0), 6)
    (15.0, 42.0)
    """
    if frequency_hz < _LOGARITHMIC_FROM_HZ:
        return frequency_hz / _LINEAR_STEP_HZ
    above = np.log(frequency_hz / _LOGARITHMIC_FROM_HZ) / _LOGARITHMIC_STEP
    return float(_LOGARITHMIC_FROM_HZ / _LINEAR_STEP_HZ + above)


def hz_of_mel(mels: Floats) -> Floats:
    """The inverse of `mel_of_hz`, of every number of an array."""
    knee = _LOGARITHMIC_FROM_HZ / _LINEAR_STEP_HZ
    above = _LOGARITHMIC_FROM_HZ * np.exp(_LOGARITHMIC_STEP * (mels - knee))
    return np.where(mels < knee, mels * _LINEAR_STEP_HZ, above)
