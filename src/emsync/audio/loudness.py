"""Loudness, true peak, and a limiter that keeps the peak where it was promised.

All of it works window by window, so that two hours need no more memory than two seconds.

Source: ITU-R BS.1770-5 (integrated loudness with two gates; true peak by fourfold oversampling) and
EBU R128.
"""

from __future__ import annotations

import math
from copy import copy
from functools import cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from emsync.audio.filters import (
    BlockFilter,
    fast_length,
    k_weighting,
    low_pass_taps,
    running_maximum,
    running_mean,
)

Sound = NDArray[np.float32]

STEP_S = 0.1
BLOCK_STEPS = 4
"""Loudness is measured on blocks of 0.4 s that start every 0.1 s."""
SILENCE_LUFS = -70.0
"""The absolute gate; what is quieter, silence included, is reported as this."""
RELATIVE_GATE_LU = -10.0
STEPS_AT_ONCE = 10
"""Sound is weighed a second at a time, whatever the windows."""
WEIGHTING_REACH_S = 0.2
"""The high-pass of the K-weighting falls by 2 dB in every ms: what it still answers after this time is nothing."""

OVERSAMPLING = 4
TAPS_PER_PHASE = 12
REACH = TAPS_PER_PHASE // 2 + 1
"""Frames on either side of a frame that its true peak depends on."""
PEAK_BLOCK = 512
"""Frames that are looked at between the samples, or passed over, together."""

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
        self._step = round(STEP_S * rate_hz)
        reach = round(WEIGHTING_REACH_S * rate_hz)
        frames = fast_length(STEPS_AT_ONCE * self._step + reach)
        self._weighting = BlockFilter(k_weighting(rate_hz, frames), frames, reach=reach)
        self._left_over = np.zeros((2, 0))
        self._powers: list[NDArray[np.float64]] = []

    def feed(self, sound: Sound) -> None:
        """Take the next window, shape (2, frames)."""
        waiting = np.concatenate([self._left_over, sound], axis=1, dtype=np.float64)
        at_once = STEPS_AT_ONCE * self._step
        whole = waiting.shape[1] // at_once * at_once
        for start in range(0, whole, at_once):
            self._powers.append(self._step_powers(self._weighting, waiting[:, start : start + at_once]))
        self._left_over = waiting[:, whole:]

    def integrated_lufs(self) -> float:
        """Loudness of all that was fed, in LUFS; `SILENCE_LUFS` when nothing passes the gate.

        Sound shorter than one block of 0.4 s is measured as if silence followed it up to 0.4 s.
        """
        powers = np.concatenate([*self._powers, self._step_powers(copy(self._weighting), self._left_over)])
        whole = powers[: self._whole_steps]
        if len(whole) < BLOCK_STEPS:
            blocks = np.array([powers.sum() / BLOCK_STEPS])
        else:
            blocks = np.convolve(whole, np.full(BLOCK_STEPS, 1 / BLOCK_STEPS), "valid")
        loud = blocks[blocks > _power(SILENCE_LUFS)]
        if not len(loud):
            return SILENCE_LUFS
        gate = loud.mean() * 10 ** (RELATIVE_GATE_LU / 10)
        return float(-0.691 + 10 * math.log10(loud[loud > gate].mean()))

    @property
    def _whole_steps(self) -> int:
        return len(self._powers) * STEPS_AT_ONCE + self._left_over.shape[1] // self._step

    def _step_powers(self, weighting: BlockFilter, sound: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean square of every step, added up over the channels; the last step may be silent from somewhere on."""
        steps = math.ceil(sound.shape[1] / self._step)
        weighted = np.zeros((2, steps * self._step))
        weighted[:, : sound.shape[1]] = weighting.add(sound)
        return np.asarray(np.mean(weighted.reshape(2, steps, self._step) ** 2, axis=2).sum(axis=0))


def _power(loudness_lufs: float) -> float:
    return float(10 ** ((loudness_lufs + 0.691) / 10))


@cache
def _phases() -> tuple[NDArray[np.float64], ...]:
    """The interpolator of BS.1770's kind, a filter for each of the four places from one frame to the next.

    Each has 13 taps, the one in the middle at the frame itself.
    """
    taps = low_pass_taps(OVERSAMPLING * TAPS_PER_PHASE + 1, 1 / OVERSAMPLING, beta=5.0) * OVERSAMPLING
    padded = np.pad(taps.astype(np.float64), (0, OVERSAMPLING - 1))
    return tuple(padded[phase::OVERSAMPLING] for phase in range(OVERSAMPLING))


def true_peaks(sound: Sound) -> NDArray[np.float64]:
    """Largest magnitude at and around each frame over all channels, shape (frames,).

    The wave is looked at between the samples too, at four times the rate.
    """
    frames = sound.shape[1]
    padded = np.pad(sound.astype(np.float64), ((0, 0), (TAPS_PER_PHASE // 2, TAPS_PER_PHASE // 2)))
    between = np.zeros(frames)
    fine, part = np.empty((2, len(padded), frames))
    for taps in _phases():
        fine.fill(0)
        for place, tap in enumerate(taps[::-1]):
            fine += np.multiply(padded[:, place : place + frames], tap, out=part)
        np.maximum(between, np.abs(fine, out=fine).max(axis=0), out=between)
    between[1:] = np.maximum(between[1:], between[:-1])
    result: NDArray[np.float64] = np.maximum(between, np.abs(sound).max(axis=0))
    return result


def true_peaks_above(sound: Sound, level: float) -> NDArray[np.float64]:
    """The true peaks of `sound`, but 0 where its samples are too small for any of them to pass `level`.

    What lies between the samples is at most the interpolator's absolute sum, 1.9, times the largest sample around.
    """
    frames = sound.shape[1]
    most_gain = max(float(np.abs(phase).sum()) for phase in _phases())
    blocks = np.zeros((2, math.ceil(frames / PEAK_BLOCK) * PEAK_BLOCK), np.float32)
    np.abs(sound, out=blocks[:, :frames])
    is_loud = blocks.reshape(2, -1, PEAK_BLOCK).max(axis=(0, 2)) * most_gain > level
    peaks = np.zeros(frames)
    for start, stop in _runs(_widened(is_loud)):
        first, last = start * PEAK_BLOCK, min(stop * PEAK_BLOCK, frames)
        before = min(first, REACH)
        around = true_peaks(sound[:, first - before : last + REACH])
        peaks[first:last] = around[before : before + last - first]
    return peaks


def _widened(chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """A block's neighbours are chosen with it, for they see its samples."""
    wide = chosen.copy()
    wide[1:] |= chosen[:-1]
    wide[:-1] |= chosen[1:]
    return wide


def _runs(chosen: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Where each run of true values starts and stops."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], chosen, [False]]).astype(np.int8)))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


class TruePeakMeter:
    """Highest true peak of stereo sound, fed window by window."""

    def __init__(self) -> None:
        """Start from silence."""
        self._tail: Sound = np.zeros((2, TAPS_PER_PHASE), np.float32)
        self._highest = 0.0

    def feed(self, sound: Sound) -> None:
        """Take the next window, shape (2, frames)."""
        joined = np.concatenate([self._tail, sound], axis=1)
        self._highest = max(self._highest, float(np.abs(joined).max(initial=0.0)))
        self._highest = max(self._highest, float(true_peaks_above(joined, self._highest).max(initial=0.0)))
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
        peaks = true_peaks_above(sound, to_gain(self._ceiling_db))
        if not peaks.any():
            return peaks
        needed = 20 * np.log10(np.maximum(peaks, 1e-9)) - self._ceiling_db
        needed = np.maximum(needed, 0.0)
        if not needed.any():
            return needed
        width = 2 * self._reach + 1
        held = running_maximum(needed, width)
        slope = RELEASE_DB_PER_S / self._rate_hz * np.arange(len(held))
        released = np.maximum.accumulate(held + slope) - slope
        return np.asarray(running_mean(released, width))
