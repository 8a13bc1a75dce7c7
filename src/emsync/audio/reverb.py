"""A small hall: convolution with decaying noise, one window after another.

A SoundFont is recorded dry. The hall is made, not measured: two independent noises that fall by 60 dB
in `DECAY_S`, darker and thinner than the source, which is what a room does to sound.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, fftconvolve, sosfilt

DECAY_S = 1.3
PRE_DELAY_S = 0.012
BAND_HZ = (250.0, 6000.0)
SEED = 2502


def impulse_response(rate_hz: int) -> NDArray[np.float32]:
    """The hall's answer to a click, shape (2, frames), each channel of energy 1."""
    frames = round(DECAY_S * rate_hz)
    noise = np.random.default_rng(SEED).standard_normal((2, frames))
    decay = 10 ** (-3 * np.arange(frames) / frames)
    sound = sosfilt(butter(1, BAND_HZ, "bandpass", fs=rate_hz, output="sos"), noise) * decay
    sound /= np.sqrt(np.sum(sound**2, axis=1, keepdims=True))
    delay = np.zeros((2, round(PRE_DELAY_S * rate_hz)))
    return np.concatenate([delay, sound], axis=1).astype(np.float32)


class Reverb:
    """Keeps the tail of each window for the windows that follow."""

    def __init__(self, rate_hz: int) -> None:
        """One hall for one bus."""
        self._response = impulse_response(rate_hz)
        self._tail = np.zeros_like(self._response)

    def add(self, send: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the hall gives back, shape (2, frames), during a window of sound sent to it, shape (frames,)."""
        frames = len(send)
        wet: NDArray[np.float32] = fftconvolve(send[None, :], self._response, axes=1).astype(np.float32)
        wet[:, : self._tail.shape[1]] += self._tail
        self._tail = wet[:, frames:]
        return wet[:, :frames]
