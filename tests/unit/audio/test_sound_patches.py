"""Patches of a film's sound: when, how loud, and what happens where there is none."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest
from tests.media import make_corrupt, make_sound_only, make_video

from emsync.audio.sound_patches import sound_patches
from emsync.errors import AudioError


def write_wav(path: Path, samples: np.ndarray, rate_hz: int = 16_000) -> Path:
    """Samples in [-1, 1], shape (N,) or (N, channels)."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


def level(samples: np.ndarray) -> float:
    return float(np.sqrt((samples**2).mean()))


def test_patches_follow_one_another_and_carry_the_time_of_their_middle(tmp_path: Path) -> None:
    ramp = np.arange(3 * 15_600) / (3 * 15_600)
    patches = list(sound_patches(write_wav(tmp_path / "ramp.wav", ramp), duration_s=2.925))
    assert [patch.time_s for patch in patches] == pytest.approx([0.4875, 1.4625, 2.4375])
    assert all(patch.samples.shape == (15_600,) and patch.samples.dtype == np.float32 for patch in patches)
    assert np.concatenate([patch.samples for patch in patches]) == pytest.approx(ramp, abs=1e-4)


@pytest.mark.parametrize(("duration_s", "count"), [(0.2, 1), (1.4, 1), (1.5, 2), (10.0, 10)])
def test_the_last_patch_is_left_out_if_less_than_half_of_it_lies_in_the_film(
    tmp_path: Path, duration_s: float, count: int
) -> None:
    path = write_wav(tmp_path / "long.wav", np.full(16_000 * 11, 0.1))
    assert len(list(sound_patches(path, duration_s=duration_s))) == count


def test_channels_are_mixed_and_rates_converted(tmp_path: Path) -> None:
    times_s = np.arange(48_000 * 2) / 48_000
    tone = 0.4 * np.sin(2 * np.pi * 1000 * times_s)
    mono = write_wav(tmp_path / "mono.wav", tone, 48_000)
    stereo = write_wav(tmp_path / "stereo.wav", np.stack([tone, tone], axis=1), 48_000)
    for path in (mono, stereo):
        samples = list(sound_patches(path, duration_s=2.0))[1].samples
        spectrum = np.abs(np.fft.rfft(samples))
        assert spectrum.argmax() * 16_000 / 15_600 == pytest.approx(1000, abs=2)
        assert level(samples) == pytest.approx(0.4 / np.sqrt(2), rel=0.02)


def test_one_of_two_channels_counts_half(tmp_path: Path) -> None:
    left = np.stack([np.full(16_000, 0.6), np.zeros(16_000)], axis=1)
    (patch,) = sound_patches(write_wav(tmp_path / "left.wav", left), duration_s=1.0)
    assert patch.samples == pytest.approx(0.3, abs=0.01)


def test_a_film_that_outlasts_its_sound_ends_in_silence(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "short.wav", np.full(15_600, 0.5))
    first, second = sound_patches(path, duration_s=1.95)
    assert level(first.samples) == pytest.approx(0.5, abs=0.01)
    assert level(second.samples) == 0


def test_patches_begin_where_the_film_begins_on_the_file_s_clock(tmp_path: Path) -> None:
    samples = np.concatenate([np.full(8_000, 0.8), np.full(16_000, 0.1)])
    path = write_wav(tmp_path / "late.wav", samples)
    (patch,) = sound_patches(path, duration_s=0.975, start_s=0.5)
    assert np.abs(patch.samples - 0.1).max() < 0.01


def test_another_stream_can_be_heard(tmp_path: Path) -> None:
    film = make_video(tmp_path / "two.mkv", duration_s=2.0, audio_streams=2)
    loudest_hz = []
    for stream in range(2):
        (patch, *_) = sound_patches(film, duration_s=2.0, stream=stream)
        loudest_hz.append(np.abs(np.fft.rfft(patch.samples)).argmax() * 16_000 / 15_600)
    assert loudest_hz == pytest.approx([440, 880], abs=3)


def test_progress_rises_to_one(tmp_path: Path) -> None:
    seen: list[float] = []
    path = make_sound_only(tmp_path / "tone.m4a", duration_s=3.0)
    list(sound_patches(path, duration_s=3.0, on_progress=seen.append))
    assert seen == pytest.approx([1 / 3, 2 / 3, 1])


def test_no_sound_is_an_error_and_damaged_sound_is_not(tmp_path: Path) -> None:
    silent = make_video(tmp_path / "silent.mp4")
    with pytest.raises(AudioError, match="holds no sound"):
        list(sound_patches(silent, duration_s=2.0))
    with pytest.raises(AudioError, match="cannot read sound"):
        list(sound_patches(tmp_path / "missing.wav", duration_s=2.0))
    whole = make_sound_only(tmp_path / "whole.mka", duration_s=3.0)
    broken = make_corrupt(tmp_path / "broken.mka", whole, share=(0.4, 0.6))
    patches = list(sound_patches(broken, duration_s=3.0))
    assert len(patches) == 3
    assert all(np.isfinite(patch.samples).all() for patch in patches)
