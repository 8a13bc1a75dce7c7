"""Whisper's spectrogram against its formula, written out."""

import numpy as np
import pytest

from emsync.emotion.features.log_mel import log_mel, mel_bands


def by_the_formula(samples: np.ndarray, frame: int) -> np.ndarray:  # type: ignore[type-arg]
    """Powers of ten of one frame's 80 bands, sum by sum: discrete Fourier transform, Slaney's triangles."""
    sound = np.zeros(480_000)
    sound[: samples.size] = samples
    at = np.abs(np.arange(400) - 200 + 160 * frame)  # mirrored before the beginning
    window = 0.5 * (1 - np.cos(2 * np.pi * np.arange(400) / 400))
    waves = np.exp(-2j * np.pi * np.outer(np.arange(201), np.arange(400)) / 400)
    power = np.abs(waves @ (sound[at] * window)) ** 2
    mels = np.linspace(0, 15 + 27 * np.log(8) / np.log(6.4), 82)
    edges_hz = [200 / 3 * mel if mel < 15 else 1000 * 6.4 ** ((mel - 15) / 27) for mel in mels]
    bands = np.zeros(80)
    for band, (left, middle, right) in enumerate(zip(edges_hz, edges_hz[1:], edges_hz[2:], strict=False)):
        for index, value in enumerate(power):
            hz = index * 40.0
            height = min((hz - left) / (middle - left), (right - hz) / (right - middle))
            bands[band] += max(0.0, height) * 2 / (right - left) * value
    return np.log10(np.maximum(bands, 1e-10))


def test_it_follows_the_formula() -> None:
    samples = np.random.default_rng(2).normal(0, 0.1, 4000).astype(np.float32)
    spectrogram = log_mel(samples)
    loudest = max(by_the_formula(samples, frame).max() for frame in range(26))
    for frame in (0, 1, 7, 20, 2998):
        expected = (np.maximum(by_the_formula(samples, frame), loudest - 8) + 4) / 4
        assert spectrogram[:, frame] == pytest.approx(expected, abs=1e-4)


def test_it_is_always_30_s_long() -> None:
    assert log_mel(np.zeros(0, np.float32)).shape == (80, 3000)
    assert log_mel(np.zeros(480_000, np.float32)).shape == (80, 3000)


def test_silence_is_flat() -> None:
    assert np.ptp(log_mel(np.zeros(1000, np.float32))) == 0


def test_a_tone_is_loudest_in_the_band_that_holds_it() -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000).astype(np.float32)
    assert log_mel(tone)[:, 50].argmax() == mel_bands()[:, 25].argmax()


def test_more_than_30_s_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 480000 samples"):
        log_mel(np.zeros(480_001, np.float32))
