"""How fast this machine reads memory: what no engine that reads its weights once a token can beat.

A buffer is read from end to end, in as many threads as the engine uses, in several ways; the fastest counts, so that
the roof is not a low one. Two sizes: far beyond the last cache, and just the bytes of one token (weights and cache),
which a large last cache may hold in part. The second is the harder and the more honest limit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from benchmarks.speed.contender import Contender, timed
from numpy.typing import NDArray

FAR_BEYOND_CACHE_BYTES = 512_000_000
READS = 3
"""Times the buffer is read in a turn, after one that is not timed."""

Buffer = NDArray[np.float32]


def stream_contenders(
    size_bytes: int, *, threads: int, contexts: tuple[int, ...], labels: dict[str, Any]
) -> Iterator[Contender]:
    """One contender per way of reading a buffer of this size, beside the engines at these contexts."""
    size_bytes -= size_bytes % (4096 * threads)
    buffer = np.ones(size_bytes // 4, np.float32)
    for way, read in ways_of_reading(buffer, threads).items():
        named = {**labels, "engine": "stream", "way": way, "threads": threads, "bytes": size_bytes}
        yield Contender(named, _reader(read), contexts, rests=way.startswith("torch"))


def ways_of_reading(buffer: Buffer, threads: int) -> dict[str, Callable[[], object]]:
    """Reductions that read every byte once: by numpy in threads of ours, by torch in its own."""
    pool = ThreadPoolExecutor(threads)
    parts = np.array_split(buffer, threads)
    integers = [part.view(np.int64) for part in parts]
    tensor = torch.from_numpy(buffer)
    matrix, column = tensor.view(-1, 1024), torch.ones(1024)
    return {
        "numpy, largest number": lambda: list(pool.map(np.max, parts)),
        "numpy, largest integer": lambda: list(pool.map(np.max, integers)),
        "torch, sum": lambda: torch.sum(tensor),
        "torch, matrix times vector": lambda: torch.mv(matrix, column),
    }


def _reader(read: Callable[[], object]) -> Callable[[int], Sequence[float]]:
    def run(_context: int) -> Sequence[float]:
        read()
        return timed(read, READS)

    return run


def best_streams(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The fastest way of each buffer, beside the engines at each context, with its bytes a second.

    >>> row = {"buffer": "memory", "network": "", "context": 256, "bytes": 10_000_000}
    >>> best_streams([{**row, "median_ms": 2.0}, {**row, "median_ms": 1.0}])[0]["gb_per_s"]
    10.0
    """
    best: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        key = row["buffer"], row["network"], row["context"]
        if key not in best or row["median_ms"] < best[key]["median_ms"]:
            best[key] = row
    return [{**row, "gb_per_s": round(row["bytes"] / row["median_ms"] / 1e6, 2)} for row in best.values()]
