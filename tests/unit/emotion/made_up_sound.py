"""Sounds made by code, at 16 kHz: a voice without words, music, noise."""

import numpy as np
from scipy.signal import lfilter

from emsync.emotion.features.speech_stretches import Samples
from emsync.types import SOUND_PATCH_SAMPLES, SOUND_RATE_HZ, SoundPatch

VOWELS_HZ = ((730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480), (570, 840, 2410))
"""Formants of a, i, u, e, o: Peterson & Barney 1952, men."""
VOWEL_SAMPLES = 2880


def silence(duration_s: float) -> Samples:
    return np.zeros(round(duration_s * SOUND_RATE_HZ), np.float32)


def noise(duration_s: float) -> Samples:
    return np.random.default_rng(0).normal(0, 0.1, silence(duration_s).size).astype(np.float32)


def music(duration_s: float) -> Samples:
    """A broken chord of plucked strings."""
    times_s = np.arange(silence(duration_s).size) / SOUND_RATE_HZ
    strings = [
        sum(np.sin(2 * np.pi * pitch_hz * part * times_s) / part**2 for part in range(1, 6))
        * np.exp(-3 * ((times_s + 0.25 * number) % 1.0))
        for number, pitch_hz in enumerate((220, 277, 330, 440))
    ]
    return level(np.sum(strings, axis=0))


def voice(duration_s: float) -> Samples:
    """Vowels one after the other: pulses of a voice through three resonances, as the detector takes for speech."""
    generator = np.random.default_rng(0)
    times_s = np.arange(silence(duration_s).size) / SOUND_RATE_HZ
    pitch_hz = 120 + 15 * np.sin(2 * np.pi * 0.8 * times_s) + 8 * np.sin(2 * np.pi * 3.1 * times_s)
    pulses = np.diff(np.floor(np.cumsum(pitch_hz) / SOUND_RATE_HZ), prepend=0)
    breath = 0.002 * generator.normal(size=pulses.size)
    sound = np.concatenate(
        [
            vowel((pulses + breath)[start : start + VOWEL_SAMPLES], VOWELS_HZ[generator.integers(5)])
            for start in range(0, pulses.size, VOWEL_SAMPLES)
        ]
    )
    return level(sound)


def vowel(source: np.ndarray, formants_hz: tuple[int, int, int]) -> np.ndarray:
    for formant_hz, width_hz in zip(formants_hz, (80, 100, 140), strict=True):
        radius = np.exp(-np.pi * width_hz / SOUND_RATE_HZ)
        back = [1, -2 * radius * np.cos(2 * np.pi * formant_hz / SOUND_RATE_HZ), radius**2]
        source = lfilter([sum(back)], back, source)
    ramp = np.minimum(np.arange(source.size), np.arange(source.size)[::-1]) / 480
    return np.asarray(source * np.minimum(1, ramp))


def level(sound: np.ndarray) -> Samples:
    return np.asarray(0.3 * sound / np.abs(sound).max(), np.float32)


def patches(sound: Samples) -> list[SoundPatch]:
    """What `emsync.audio.sound_patches` would make of it."""
    count = sound.size // SOUND_PATCH_SAMPLES
    pieces = sound[: count * SOUND_PATCH_SAMPLES].reshape(count, -1)
    length_s = SOUND_PATCH_SAMPLES / SOUND_RATE_HZ
    return [SoundPatch((number + 0.5) * length_s, piece) for number, piece in enumerate(pieces)]
