"""Filters for sound that passes by in blocks, in numpy alone: `scipy.signal` takes 1.6 s to be imported.

A filter is its answer at every frequency of a discrete Fourier transform, so a recursive one needs no recursion: the
transform is so long that what it still answers after its end is far below the rounding of a double.
Source: overlap-add, Oppenheim & Schafer, Discrete-Time Signal Processing, section 8.7.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Spectrum = NDArray[np.complexfloating[Any, Any]]
"""Factors at the frequencies of `numpy.fft.rfft`, shape (frames // 2 + 1,) or (channels, frames // 2 + 1)."""
Block = NDArray[np.floating[Any]]


def fast_length(least: int) -> int:
    """The smallest length from `least` on that has no prime factor above 5, which a Fourier transform likes.

    >>> fast_length(7), fast_length(111_000)
    (8, 112500)
    """
    return next(length for length in range(least, 2 * least + 1) if _is_smooth(length))


def _is_smooth(length: int) -> bool:
    for factor in (2, 3, 5):
        while length % factor == 0:
            length //= factor
    return length == 1


class BlockFilter:
    """Sound through a filter, block by block: what a block leaves behind is added to the blocks after it."""

    def __init__(self, spectrum: Spectrum, frames: int, *, reach: int) -> None:
        """`spectrum` is that of `frames` frames, of which the filter's answer to a click takes up to `reach`."""
        self._spectrum, self._frames, self._reach = spectrum, frames, reach
        self._tail: Block | None = None

    def add(self, block: Block) -> Block:
        """What the next block sounds like, shape (channels, frames of the block).

        Raises: ValueError for a block of more than `frames - reach` frames.
        """
        size = block.shape[-1]
        if size + self._reach > self._frames:
            raise ValueError(f"a block has at most {self._frames - self._reach} frames, got {size}")
        answer = np.fft.irfft(np.fft.rfft(block, self._frames) * self._spectrum, self._frames)
        if self._tail is not None:
            answer[..., : self._tail.shape[-1]] += self._tail
        self._tail = answer[..., size : size + self._reach]
        return np.asarray(answer[..., :size])


def half_angles(frames: int) -> tuple[Block, Block]:
    """Sine and cosine of half the angle at every frequency of a transform: their ratio is the analogue frequency."""
    angle = np.pi * np.arange(frames // 2 + 1) / frames
    return np.sin(angle), np.cos(angle)


def k_weighting(rate_hz: int, frames: int) -> Spectrum:
    """The two filters of BS.1770, shelf and high-pass, for any rate.

    Source: ITU-R BS.1770-5, tables 1 and 2; their analogue prototypes: De Man, Evaluation of implementations of the
    EBU R128 loudness measurement, AES 145th Convention, 2018.
    """
    return _shelf(rate_hz, frames) * _high_pass(rate_hz, frames)


def _shelf(rate_hz: int, frames: int) -> Spectrum:
    quality, gain = 0.7071752369554193, 10 ** (3.99984385397 / 20)
    middle_gain = gain**0.499666774155
    sine, cosine = half_angles(frames)
    cosine = cosine * math.tan(math.pi * 1681.9744509555319 / rate_hz)
    above = cosine**2 - gain * sine**2 + 1j * middle_gain / quality * sine * cosine
    return np.asarray(above / (cosine**2 - sine**2 + 1j / quality * sine * cosine))


def _high_pass(rate_hz: int, frames: int) -> Spectrum:
    """Its gain above the corner is not 1 but what the standard's table says: numerator 1, -2, 1."""
    quality, corner = 0.5003270373253953, math.tan(math.pi * 38.13547087613982 / rate_hz)
    sine, cosine = half_angles(frames)
    cosine = cosine * corner
    gain = 1 + corner / quality + corner**2
    return np.asarray(-gain * sine**2 / (cosine**2 - sine**2 + 1j / quality * sine * cosine))


def band_pass(low_hz: float, high_hz: float, rate_hz: int, frames: int) -> Spectrum:
    """A Butterworth band-pass of first order, 3 dB down at both edges."""
    low, high = (math.tan(math.pi * edge_hz / rate_hz) for edge_hz in (low_hz, high_hz))
    sine, cosine = half_angles(frames)
    through = 1j * (high - low) * sine * cosine
    return np.asarray(through / (low * high * cosine**2 - sine**2 + through))


def low_pass_taps(count: int, cutoff: float, *, beta: float) -> Block:
    """A windowed sinc of `count` taps that passes up to `cutoff` of half the rate and has gain 1 at 0 Hz.

    `beta` is that of its Kaiser window.
    """
    places = np.arange(count) - (count - 1) / 2
    taps = np.sinc(cutoff * places) * np.kaiser(count, beta)
    return np.asarray(taps / taps.sum())


def running_maximum(values: Block, width: int) -> Block:
    """The largest of `width` neighbours, an odd number, around each value; the ends are repeated outwards."""
    padded = np.pad(values, width // 2, mode="edge")
    reached = 1
    while 2 * reached <= width:
        padded = np.maximum(padded[:-reached], padded[reached:])
        reached *= 2
    rest = width - reached
    return np.maximum(padded[: len(values)], padded[rest : rest + len(values)])


def running_mean(values: Block, width: int) -> Block:
    """The mean of `width` neighbours, an odd number, around each value; the ends are repeated outwards."""
    padded = np.pad(values, width // 2, mode="edge")
    return np.convolve(padded, np.full(width, 1 / width), "valid")
