"""Log mel filter banks as Kaldi makes them, which BEATs was trained on; in torch, so that torchaudio is not needed.

Frames of 25 ms every 10 ms that lie wholly inside, mean taken out, x[n] - 0.97 x[n - 1], Povey window (a Hann window to
the power of 0.85), DFT of 512, power, triangles on the scale mel(f) = 1127 ln(1 + f / 700), natural logarithm.

Source: Povey et al. 2011, The Kaldi speech recognition toolkit, feat/feature-fbank.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from emsync.types import SOUND_RATE_HZ, Floats

FRAME_SAMPLES, HOP_SAMPLES, DFT_SAMPLES = 400, 160, 512
PREEMPHASIS = 0.97
LOWEST_HZ, HIGHEST_HZ = 20.0, SOUND_RATE_HZ / 2
FLOOR = float(np.finfo(np.float32).eps)


def log_mel(samples: Tensor, *, bands: int) -> Tensor:
    """Filter banks of windows of sound, shape (B, 1 + (S - 400) // 160, bands).

    Args:
        samples: shape (B, S), 16 kHz, S >= 400; Kaldi's full scale is 2 ** 15.
    """
    frames = samples.unfold(1, FRAME_SAMPLES, HOP_SAMPLES)  # (B, T, 400)
    frames = frames - frames.mean(dim=2, keepdim=True)
    before = torch.cat([frames[..., :1], frames[..., :-1]], dim=2)
    window = torch.hann_window(FRAME_SAMPLES, periodic=False).to(frames) ** 0.85
    spectrum = torch.fft.rfft((frames - PREEMPHASIS * before) * window, n=DFT_SAMPLES)  # (B, T, 257)
    filters = torch.from_numpy(mel_filters(bands)).to(frames)
    return torch.as_tensor((spectrum.abs().square() @ filters).clamp(min=FLOOR).log())


def mel_filters(bands: int) -> Floats:
    """Weight of each DFT bin in each band, shape (257, bands); the bin at half the sampling rate counts in none."""
    edges = np.linspace(_mel(LOWEST_HZ), _mel(HIGHEST_HZ), bands + 2)
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    bins = _mel(np.arange(DFT_SAMPLES // 2) * SOUND_RATE_HZ / DFT_SAMPLES)[:, None]
    rising, falling = (bins - left) / (centre - left), (right - bins) / (right - centre)
    weights = np.maximum(0, np.minimum(rising, falling))
    return np.vstack([weights, np.zeros(bands)])


def _mel(frequency_hz: float | Floats) -> Floats:
    return np.asarray(1127.0 * np.log1p(np.asarray(frequency_hz, np.float64) / 700.0))
