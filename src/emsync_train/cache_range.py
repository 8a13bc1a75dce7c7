"""How large keys and values get, so that the KV cache can hold them in 8 bits.

A channel keeps one scale for all music, fixed at export: `GroupQueryAttention` takes no other. What is larger than
anything heard here is clipped when it is cached.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from emsync_train.dataset import Batch, Shards, WindowOptions, WindowSampler
from emsync_train.model import Attention, Block, Composer, rope_angles, rotate

CALIBRATION_WINDOWS = 64
CALIBRATION_SEED = 11
_WINDOWS_AT_ONCE = 4

CachePeaks = NDArray[np.float32]
"""Largest absolute key and value of every channel, shape (layers, 2, heads, head size)."""


def calibration_batches(shards: Shards, settings: dict[str, Any]) -> Iterable[Batch]:
    """Windows of training songs, varied and with conditions left out as in training.

    Args:
        settings: `config.json` of the run.
    """
    options = WindowOptions(**settings["windows"])
    sampler = WindowSampler(shards, shards.of_split("train"), settings["source_weights"], options)
    for index in range(CALIBRATION_WINDOWS // _WINDOWS_AT_ONCE):
        yield sampler.batch(_WINDOWS_AT_ONCE, np.random.default_rng((CALIBRATION_SEED, index)))


@torch.no_grad()
def cache_peaks(network: Composer, batches: Iterable[Batch]) -> CachePeaks:
    """The peaks over all tokens of some windows. Raises: ValueError without a window."""
    blocks = [block for block in network.blocks if isinstance(block, Block)]
    peaks = torch.zeros(len(blocks), 2, network.config.heads, network.config.width // network.config.heads)
    hooks = [
        block.attention.query_key_value.register_forward_hook(partial(_listen, block.attention, peaks[layer]))
        for layer, block in enumerate(blocks)
    ]
    try:
        for batch in batches:
            network(
                *(torch.from_numpy(part) for part in (batch.tokens[:, :-1], batch.conditions, batch.present))
            )
    finally:
        for hook in hooks:
            hook.remove()
    if not peaks.any():
        raise ValueError("no window to calibrate the cache with")
    return np.asarray(peaks.numpy(), np.float32)


def _listen(attention: Attention, peaks: Tensor, _: nn.Module, __: Any, packed: Tensor) -> None:
    """Raise the peaks (2, H, D) to what is heard in queries, keys and values (B, T, 3 W)."""
    batch, length, width = packed.shape
    heads = packed.view(batch, length, 3, attention.heads, width // 3 // attention.heads)
    _, key, value = heads.permute(2, 0, 3, 1, 4)  # each (B, H, T, D)
    if attention.rotates:
        key = rotate(key, rope_angles(torch.arange(length), key.shape[-1]))
    for kind, heard in enumerate((key, value)):
        torch.maximum(peaks[kind], heard.abs().amax(dim=(0, 2)), out=peaks[kind])
