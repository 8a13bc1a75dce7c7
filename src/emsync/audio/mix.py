"""Lay music under the sound a film already has, window by window."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from emsync.audio.loudness import to_gain
from emsync.audio.sound_reader import MIX_RATE_HZ, Sound, SoundReader
from emsync.options import MuxOptions, OriginalSound

HOP = MIX_RATE_HZ // 100
"""The ducking envelope has a point every 10 ms."""
QUIET_DB, ACTIVE_DB = -50.0, -40.0
"""Level (RMS of 10 ms, dB full scale) below which the film counts as silent, and above which as speaking."""
ATTACK_S, HOLD_S, RELEASE_S = 0.08, 0.4, 0.6
"""Time constants of going down and of coming back, and the wait in between, so music does not pump."""


class Ducker:
    """Turns music down while the film's own sound is heard."""

    def __init__(self, depth_db: float) -> None:
        """`depth_db` is the change of the music, negative, while the film speaks."""
        self._depth_db = depth_db
        self._amount = 0.0
        self._held = 0.0
        self._hold_hops = 0

    def gain(self, original: Sound) -> NDArray[np.float32]:
        """Linear factor for the music, shape (frames,), under the next window of shape (2, frames)."""
        frames = original.shape[1]
        hops = math.ceil(frames / HOP)
        padded = np.pad(original, ((0, 0), (0, hops * HOP - frames)))
        power = np.mean(padded.reshape(2, hops, HOP) ** 2, axis=(0, 2))
        level_db = 10 * np.log10(np.maximum(power, 1e-12))
        wanted = np.clip((level_db - QUIET_DB) / (ACTIVE_DB - QUIET_DB), 0.0, 1.0)
        amounts = [self._amount] + [self._follow(float(each)) for each in wanted]
        places = np.arange(hops + 1) * HOP
        amount = np.interp(np.arange(frames), places, amounts)
        return (10 ** (amount * self._depth_db / 20)).astype(np.float32)

    def _follow(self, wanted: float) -> float:
        """One step of 10 ms towards the wanted amount of ducking, in [0, 1]."""
        if wanted >= self._held:
            self._held, self._hold_hops = wanted, round(HOLD_S * 100)
        elif self._hold_hops > 0:
            self._hold_hops -= 1
        else:
            self._held = wanted
        time_s = ATTACK_S if self._held > self._amount else RELEASE_S
        self._amount += (self._held - self._amount) * (1 - math.exp(-0.01 / time_s))
        return self._amount


def mixed_windows(
    music: SoundReader, original: SoundReader | None, options: MuxOptions, frames: int
) -> Iterator[Sound]:
    """The mix as windows of shape (2, up to one second), `frames` frames in all, not yet limited.

    Replace, or no original sound: the music alone. Keep: the original at its level and the music lowered
    throughout by `duck_db`. Duck: the music lowered by `duck_db` only while the original is heard.
    """
    ducker = Ducker(options.duck_db)
    for start in range(0, frames, MIX_RATE_HZ):
        size = min(MIX_RATE_HZ, frames - start)
        below = music.read(size)
        if original is None:
            yield below
            continue
        above = original.read(size)
        if options.original_sound == OriginalSound.DUCK:
            yield above + below * ducker.gain(above)
        else:
            yield above + below * np.float32(to_gain(options.duck_db))


class RollingSource:
    """A stream of windows that can be read with some look-back and look-ahead, as the limiter does."""

    def __init__(self, windows: Iterator[Sound], frames: int) -> None:
        """`windows` must hold `frames` frames in all."""
        self._windows, self._frames = windows, frames
        self._kept: Sound = np.zeros((2, 0), np.float32)
        self._kept_from = 0

    @property
    def frames(self) -> int:
        """Length in frames."""
        return self._frames

    def read(self, start: int, stop: int) -> Sound:
        """Frames from `start` up to `stop`; silence outside. `start` must never decrease."""
        while self._kept_from + self._kept.shape[1] < min(stop, self._frames):
            self._kept = np.concatenate([self._kept, next(self._windows)], axis=1)
        drop = max(start - self._kept_from, 0)
        self._kept, self._kept_from = self._kept[:, drop:], self._kept_from + drop
        sound = np.zeros((2, stop - start), np.float32)
        here = self._kept[:, : max(stop - self._kept_from, 0)]
        first = self._kept_from - start
        sound[:, first : first + here.shape[1]] = here
        return sound
