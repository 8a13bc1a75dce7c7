"""The networks that are timed, and the bytes that a token makes their engine read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch

from emsync.music.model import CACHE_TYPES
from emsync.music.vocabulary import EMSYNC
from emsync_train.export import export
from emsync_train.graph_nodes import Quantisation
from emsync_train.model import Composer
from emsync_train.model_config import ModelConfig

NETWORKS = {
    "base": ModelConfig(EMSYNC.size, layers=8, width=448, heads=7, feed_forward=1792, context=1152),
    "large": ModelConfig(EMSYNC.size, layers=11, width=512, heads=8, feed_forward=2048, context=1152),
}
"""`base` is what ships (`configs/base.toml`), `large` the prototype that the targets were set with; the window is a
little longer, so that steps behind position 1024 do not slide it. Random weights cost the time of trained ones."""
TOKENS_A_TICK = 3
"""The engine works out what the conditions say once for all tokens of a tick. Pieces by the shipped weights have 2.9
to 4.5 tokens a tick."""
CACHE_PEAK = 4.0
"""Keys and values of networks with quantised weights are cached in int8 up to this size, as in what ships."""
QUANTISATIONS: tuple[Quantisation, ...] = ("fp32", "int8", "int4")


def random_network(name: str) -> Composer:
    """One of `NETWORKS`, the same at every call."""
    torch.manual_seed(0)
    return Composer(NETWORKS[name]).eval()


def export_all(network: Composer, folder: Path) -> dict[Quantisation, Path]:
    """The files that the engine loads, one for each quantisation."""
    paths = {}
    config = network.config
    peaks = np.full((config.layers, 2, config.heads, config.width // config.heads), CACHE_PEAK, np.float32)
    for quantisation in QUANTISATIONS:
        paths[quantisation] = folder / f"{config.layers}x{config.width}.{quantisation}.onnx"
        export(
            network,
            paths[quantisation],
            metadata={"vocabulary": EMSYNC.name},
            quantisation=quantisation,
            peaks=None if quantisation == "fp32" else peaks,
        )
    return paths


def weight_bytes_per_token(path: Path) -> int:
    """Bytes of weights that a step reads: all of the file's constants, but one row of a table it only gathers from.

    Those of the condition encoder, in a branch of the graph, are read once a tick.
    """
    graph = onnx.load(path).graph
    tables = {node.input[0] for node in graph.node if node.op_type == "Gather"}
    multiplied = {name for node in graph.node if node.op_type != "Gather" for name in node.input}
    total = 0
    for constant in graph.initializer:
        only_gathered = constant.name in tables - multiplied
        rows = constant.dims[0] if only_gathered and len(constant.dims) == 2 else 1
        total += onnx.numpy_helper.to_array(constant).nbytes // rows
    branches = [attribute.g for node in graph.node for attribute in node.attribute if attribute.HasField("g")]
    now_and_then = sum(
        onnx.numpy_helper.to_array(one).nbytes for branch in branches for one in branch.initializer
    )
    return total + now_and_then // TOKENS_A_TICK


def cache_bytes_per_token(path: Path, config: ModelConfig, context: int) -> int:
    """Bytes of the KV cache that a step moves for a piece: `context` places read, one of them just written."""
    (cache,) = [entry.value for entry in onnx.load(path).metadata_props if entry.key == "cache"]
    return config.layers * 2 * config.width * CACHE_TYPES[cache].itemsize * (context + 1)


def bytes_per_step(path: Path, config: ModelConfig, *, context: int, batch: int) -> int:
    """What a step must move at least: the weights once, the cache of every piece."""
    return weight_bytes_per_token(path) + batch * cache_bytes_per_token(path, config, context)
