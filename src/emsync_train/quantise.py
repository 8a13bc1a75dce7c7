"""How matrices are rounded to few bits, as `MatMulNBits` of ONNX Runtime stores them."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Weight: TypeAlias = NDArray[np.float32]

BLOCK = 32
"""Weights that share one scale; 16 to 128 are possible. 32 costs 4 bytes of scale per 32 weights."""
_SCALE_CANDIDATES = np.linspace(0.75, 1.0, 11, dtype=np.float32)


def quantise(weight: Weight, bits: int) -> tuple[NDArray[np.uint8], Weight]:
    """Round a matrix to `bits` bits, symmetric, with one scale per block of `BLOCK` inputs.

    Of several scales per block, the one with the smallest squared error is taken: clipping the largest weight
    a little serves the other 31.

    Args:
        weight: shape (N, K), outputs by inputs.
        bits: 4 or 8.
    Returns: codes as MatMulNBits stores them, shape (N, blocks, BLOCK * bits / 8), and scales (N, blocks).
        A code stands for `(code - 2 ** (bits - 1)) * scale`; with 4 bits the earlier weight is the low half
        of a byte.
    """
    outputs, inputs = weight.shape
    block_count = -(-inputs // BLOCK)
    padded = np.zeros((outputs, block_count * BLOCK), np.float32)
    padded[:, :inputs] = weight
    blocks = padded.reshape(outputs, block_count, BLOCK)
    zero = 2 ** (bits - 1)
    # The range is -zero .. zero - 1: the block is turned so that its largest weight meets the longer side.
    peaks = np.take_along_axis(blocks, np.abs(blocks).argmax(-1)[..., None], -1)
    best_scales, best_errors = np.ones_like(peaks), np.full_like(peaks, np.inf)
    for candidate in _SCALE_CANDIDATES:
        scales = np.where(peaks == 0, np.float32(1), -peaks * candidate / zero)
        errors = np.square(_round(blocks, scales, zero) * scales - blocks).sum(-1, keepdims=True)
        better = errors < best_errors
        best_scales, best_errors = (
            np.where(better, scales, best_scales),
            np.where(better, errors, best_errors),
        )
    codes = (_round(blocks, best_scales, zero) + zero).astype(np.uint8)
    if bits == 4:
        codes = codes[..., 0::2] | (codes[..., 1::2] << 4)
    return codes, best_scales[..., 0]


def _round(blocks: Weight, scales: Weight, zero: int) -> Weight:
    codes: Weight = np.rint(blocks / scales).clip(-zero, zero - 1)
    return codes
