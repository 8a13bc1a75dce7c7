"""Loudness, true peak, and a limiter that keeps the peak where it was promised.

All of it works window by window, so that two hours need no more memory than two seconds.

Source: ITU-R BS.1770-5 (integrated loudness with two gates; true peak by fourfold oversampling) and
EBU R128. The K-weighting filters are pyloudnorm's.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pyloudnorm.iirfilter import IIRfilter
from scipy.ndimage import maximum_filter1d, uniform_filter1d
from scipy.signal import firwin, lfilter, upfirdn

Sound = NDArray[np.float32]

STEP_S = 0.1
BLOCK_STEPS = 4
"""Loudness is measured on blocks of 0.4 s that start every 0.1 s."""
SILENCE_LUFS = -70.0
"""The absolute gate; what is quieter, silence included, is reported as this."""
RELATIVE_GATE_LU = -10.0

OVERSAMPLING = 4
TAPS_PER_PHASE = 12

LOOK_AHEAD_S = 0.005
RELEASE_DB_PER_S = 60.0
CONTEXT_S = 0.5
"""Sound before a window that the limiter looks back at; 60 dB/s has forgiven 30 dB by then."""
MARGIN_DB = 0.05
"""The limiter aims this far below the ceiling, for the little that smoothing adds between samples."""


def to_gain(level_db: float) -> float:
    """Linear factor of a level in dB."""
    return float(10 ** (level_db / 20))


def to_db(gain: float) -> float:
    """Level in dB of a linear factor; -200 for silence."""
    return 20 * math.log10(max(gain, 1e-10))


class LoudnessMeter:
    """Integrated loudness of stereo sound, fed window by window."""

    def __init__(self, rate_hz: int) -> None:
        """`rate_hz` is the sample rate of all windows."""
        shelf = IIRfilter(3.99984385397, 0.7071752369554193, 1681.9744509555319, rate_hz, "high_shelf_DeMan")
        rumble = IIRfilter(0.0, 0.5003270373253953, 38.13547087613982, rate_hz, "high_pass_DeMan")
        self._filters = [shelf, rumble]
        self._states = [np.zeros((2, 2)) for _ in self._filters]
        self._step = round(STEP_S * rate_hz)
        self._left_over = np.zeros((2, 0))
        self._powers: list[NDArray[np.float64]] = []

    def feed(self, sound: Sound) -> None:
        """Take the next window, shape (2, frames)."""
        weighted = self._weigh(sound.astype(np.float64))
        weighted = np.concatenate([self._left_over, weighted], axis=1)
        steps = weighted.shape[1] // self._step
        whole = weighted[:, : steps * self._step].reshape(2, steps, self._step)
        self._powers.append(np.mean(whole**2, axis=2).sum(axis=0))
        self._left_over = weighted[:, steps * self._step :]

    def integrated_lufs(self) -> float:
        """Loudness of all that was fed, in LUFS; `SILENCE_LUFS` when nothing passes the gate.

        Sound shorter than one block of 0.4 s is measured as if silence followed it up to 0.4 s.
        """
        powers = np.concatenate([np.zeros(0), *self._powers])
        if len(powers) < BLOCK_STEPS:
            rest = np.sum(self._left_over**2) / self._step
            blocks = np.array([(powers.sum() + rest) / BLOCK_STEPS])
        else:
            blocks = np.convolve(powers, np.full(BLOCK_STEPS, 1 / BLOCK_STEPS), "valid")
        loud = blocks[blocks > _power(SILENCE_LUFS)]
        if not len(loud):
            return SILENCE_LUFS
        gate = loud.mean() * 10 ** (RELATIVE_GATE_LU / 10)
        return float(-0.691 + 10 * math.log10(loud[loud > gate].mean()))

    def _weigh(self, sound: NDArray[np.float64]) -> NDArray[np.float64]:
        for index, stage in enumerate(self._filters):
            sound, self._states[index] = lfilter(stage.b, stage.a, sound, axis=1, zi=self._states[index])
        return sound


def _power(loudness_lufs: float) -> float:
    return float(10 ** ((loudness_lufs + 0.691) / 10))


def _interpolator() -> NDArray[np.float64]:
    taps = firwin(OVERSAMPLING * TAPS_PER_PHASE + 1, 1 / OVERSAMPLING, window=("kaiser", 5.0))
    return np.asarray(taps * OVERSAMPLING)


def true_peaks(sound: Sound) -> NDArray[np.float64]:
    """Largest magnitude at and around each frame over all channels, shape (frames,).

    The wave is looked at between the samples too, at four times the rate.
    """
    frames = sound.shape[1]
    fine = np.abs(upfirdn(_interpolator(), sound.astype(np.float64), up=OVERSAMPLING, axis=1))
    delay = OVERSAMPLING * TAPS_PER_PHASE // 2
    fine = fine[:, delay : delay + frames * OVERSAMPLING].max(axis=0)
    between = fine.reshape(frames, OVERSAMPLING).max(axis=1)
    between[1:] = np.maximum(between[1:], between[:-1])
    result: NDArray[np.float64] = np.maximum(between, np.abs(sound).max(axis=0))
    return result


class TruePeakMeter:
    """Highest true peak of stereo sound, fed window by window."""

    def __init__(self) -> None:
        """Start from silence."""
        self._tail: Sound = np.zeros((2, TAPS_PER_PHASE), np.float32)
        self._highest = 0.0

    def feed(self, sound: Sound) -> None:
        """Take the next window, shape (2, frames)."""
        joined = np.concatenate([self._tail, sound], axis=1)
        self._highest = max(self._highest, float(true_peaks(joined).max(initial=0.0)))
        self._tail = joined[:, -TAPS_PER_PHASE:]

    def peak_db(self) -> float:
        """Highest peak so far, in dBTP."""
        return to_db(self._highest)


class Source(Protocol):
    """Sound that can be read anywhere; silence outside of it."""

    @property
    def frames(self) -> int:
        """Length in frames."""

    def read(self, start: int, stop: int) -> Sound:
        """Frames from `start` up to `stop`, shape (2, stop - start)."""


class Limiter:
    """Turns loud sound down just before its peak comes and lets go slowly.

    The gain never exceeds what any frame within the look-ahead needs, so the ceiling holds; it is
    smoothed over the look-ahead, so it does not click; it recovers by `RELEASE_DB_PER_S`.
    """

    def __init__(self, source: Source, rate_hz: int, *, gain: float, ceiling_db: float) -> None:
        """Amplify `source` by `gain` and keep the result below `ceiling_db` dBTP."""
        self._source, self._rate_hz, self._gain = source, rate_hz, gain
        self._ceiling_db = ceiling_db - MARGIN_DB
        self._reach = round(LOOK_AHEAD_S * rate_hz)
        self.deepest_db = 0.0

    def read(self, start: int, stop: int) -> Sound:
        """Limited frames from `start` up to `stop`, shape (2, stop - start)."""
        before = round(CONTEXT_S * self._rate_hz) + 2 * self._reach
        after = 2 * self._reach + TAPS_PER_PHASE
        sound = self._source.read(start - before, stop + after) * np.float32(self._gain)
        excess_db = self._excess_db(sound)
        here = slice(before, before + stop - start)
        self.deepest_db = max(self.deepest_db, float(excess_db[here].max(initial=0.0)))
        if excess_db.max(initial=0.0) <= 0.0:
            return sound[:, here]
        turned_down = 10 ** (-excess_db[here] / 20)
        limited: Sound = (sound[:, here] * turned_down).astype(np.float32)
        return limited

    def _excess_db(self, sound: Sound) -> NDArray[np.float64]:
        """Reduction for every frame, in dB, at least what the frame needs."""
        needed = 20 * np.log10(np.maximum(true_peaks(sound), 1e-9)) - self._ceiling_db
        needed = np.maximum(needed, 0.0)
        if not needed.any():
            return needed
        width = 2 * self._reach + 1
        held = maximum_filter1d(needed, width)
        slope = RELEASE_DB_PER_S / self._rate_hz * np.arange(len(held))
        released = np.maximum.accumulate(held + slope) - slope
        smooth: NDArray[np.float64] = uniform_filter1d(released, width)
        return smooth
