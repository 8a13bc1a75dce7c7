"""A small hall: convolution with decaying noise, one window after another.

A SoundFont is recorded dry. The hall is made, not measured: two independent noises that fall by 60 dB
in `DECAY_S`, darker and thinner than the source, which is what a room does to sound.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emsync.audio.filters import BlockFilter, band_pass, fast_length

DECAY_S = 1.3
PRE_DELAY_S = 0.012
BAND_HZ = (250.0, 6000.0)
SEED = 2502


def impulse_response(rate_hz: int) -> NDArray[np.float32]:
    """The hall's answer to a click, shape (2, frames), each channel of energy 1."""
    frames = round(DECAY_S * rate_hz)
    noise = np.random.default_rng(SEED).standard_normal((2, frames))
    decay = 10 ** (-3 * np.arange(frames) / frames)
    through = band_pass(*BAND_HZ, rate_hz, 2 * frames)
    sound = np.fft.irfft(np.fft.rfft(noise, 2 * frames) * through)[:, :frames] * decay
    sound /= np.sqrt(np.sum(sound**2, axis=1, keepdims=True))
    delay = np.zeros((2, round(PRE_DELAY_S * rate_hz)))
    return np.concatenate([delay, sound], axis=1).astype(np.float32)


class Reverb:
    """Keeps the tail of each window for the windows that follow."""

    def __init__(self, rate_hz: int) -> None:
        """One hall for one bus."""
        response = impulse_response(rate_hz)
        frames = fast_length(rate_hz + response.shape[1])
        spectrum = np.fft.rfft(response, frames)
        self._hall = BlockFilter(spectrum, frames, reach=response.shape[1])

    def add(self, send: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the hall gives back, shape (2, frames), during a window of sound sent to it, shape (frames,).

        A window lasts a second at most.
        """
        return np.asarray(self._hall.add(send[None, :]), np.float32)
