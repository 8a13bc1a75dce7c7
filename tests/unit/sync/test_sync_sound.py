"""What is heard in a sound, with sounds whose onsets are known."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest
from benchmarks.sync.sound import onsets_and_beats, read_mono, rises_s
from numpy.typing import NDArray

RATE_HZ = 48_000


def tones(onsets_s: list[float], *, seconds: float = 4.0, level: float = 0.3) -> NDArray[np.float32]:
    """Decaying tones of 440 Hz, struck within a sample."""
    times_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    sound = np.zeros_like(times_s)
    for onset_s in onsets_s:
        since_s = times_s - onset_s
        sound += (
            level * (since_s >= 0) * np.exp(-np.maximum(since_s, 0) / 0.3) * np.sin(2 * np.pi * 440 * since_s)
        )
    return sound.astype(np.float32)


def test_a_struck_tone_rises_where_it_is_struck() -> None:
    found_s = rises_s([tones([1.0, 2.04])], RATE_HZ, np.array([1.0, 2.0]))
    assert found_s == pytest.approx([0.0, 0.04], abs=0.003)


def test_no_rise_where_nothing_is_struck() -> None:
    assert np.isnan(rises_s([tones([1.0])], RATE_HZ, np.array([0.5, 1.5, 3.0]))).all()
    assert np.isnan(rises_s([], RATE_HZ, np.array([0.5]))).all()


def test_a_rise_in_one_stem_is_heard_beside_a_loud_held_one() -> None:
    held = 0.9 * np.sin(2 * np.pi * 220 * np.arange(4 * RATE_HZ) / RATE_HZ)
    stems = [held.astype(np.float32), tones([2.0], level=0.05)]
    assert rises_s(stems, RATE_HZ, np.array([2.0])) == pytest.approx([0.0], abs=0.003)
    assert np.isnan(rises_s([stems[0] + stems[1]], RATE_HZ, np.array([2.0]))).all()


def test_moments_near_the_ends_are_no_error() -> None:
    assert len(rises_s([tones([0.01])], RATE_HZ, np.array([0.0, 3.999, 9.0]))) == 3


def test_a_stereo_file_of_24_bits_is_read_at_full_scale(tmp_path: Path) -> None:
    path = tmp_path / "half.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(3)
        file.setframerate(RATE_HZ)
        half = (2**22).to_bytes(3, "little", signed=True)
        file.writeframes(half * 2 * 100)
    samples, rate_hz = read_mono(path)
    assert rate_hz == RATE_HZ
    assert samples == pytest.approx(np.full(100, 0.5), abs=1e-4)


def test_onsets_are_heard_within_their_frames() -> None:
    pytest.importorskip("librosa")
    wanted_s = [0.5, 1.0, 1.5, 2.0, 2.5, 3.0]
    onsets_s, beats_s = onsets_and_beats(tones(wanted_s), RATE_HZ)
    assert onsets_s == pytest.approx(wanted_s, abs=0.03)
    assert len(beats_s) > 0
    assert len(onsets_and_beats(np.zeros(RATE_HZ, np.float32), RATE_HZ)[0]) == 0
