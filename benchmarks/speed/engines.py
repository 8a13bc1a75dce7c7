"""Our engine, and the same network as a plain torch loop without a cache, as contenders."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.speed.contender import CONTEXTS, Contender, timed
from benchmarks.speed.networks import TOKENS_A_TICK, bytes_per_step

from emsync.music.conditions import Condition
from emsync.music.model import ComposerModel
from emsync_train.graph_nodes import Quantisation
from emsync_train.model import Composer
from emsync_train.model_config import ModelConfig

TICKS = 4
"""Timed in a turn, all at the same context."""
MOST_ROUNDS = 5
"""Of the torch loop, which takes a second for a token."""


class FilledEngine:
    """Our engine with a cache that is full up to a place; then the same place is written again and again.

    The cache is filled with random numbers rather than with tokens: steps take the same time, and feeding the tokens of
    all engines of a run would take longer than the rest of it.
    """

    def __init__(self, weights: Path, *, threads: int, batch: int, longest: int = max(CONTEXTS)) -> None:
        began_s = time.perf_counter()
        self._model = ComposerModel.load(weights, threads=threads, batch=batch)
        self.load_s = time.perf_counter() - began_s
        self._token = np.ones((batch, 1), np.int64)
        self._conditions = np.zeros((batch, 1, len(Condition)), np.float32)
        self._made = 0
        self._fill(longest)

    def _fill(self, places: int) -> None:
        rng = np.random.default_rng(0)
        cache = self._model._memory.cache  # the only way in: music fills it by steps
        largest = 127 if cache.dtype == np.int8 else 3.0
        for layer in cache:
            layer[..., :places, :] = rng.uniform(-largest, largest, layer[..., :places, :].shape)
        self._model._lengths[:] = places

    def step(self, context: int) -> None:
        """Make a token with `context` places in use, its own included."""
        if self._made % TOKENS_A_TICK == 0:
            self._conditions[..., Condition.END_OFFSET_S] = self._made % 512 / 64
        self._made += 1
        self._model.truncate(context - 1)
        self._model.step(self._token, self._conditions)

    def run(self, context: int) -> Sequence[float]:
        """Time all the tokens of some ticks, after two that wake the threads up; milliseconds for one token of each."""
        for _ in range(2):
            self.step(context)

        def tick() -> None:
            for _ in range(TOKENS_A_TICK):
                self.step(context)

        return [tick_ms / TOKENS_A_TICK for tick_ms in timed(tick, TICKS)]


def engine_contender(
    path: Path, config: ModelConfig, *, threads: int, batch: int, labels: dict[str, Any]
) -> Contender:
    """The bare step of our engine."""
    engine = FilledEngine(path, threads=threads, batch=batch)
    moved = {str(context): bytes_per_step(path, config, context=context, batch=batch) for context in CONTEXTS}
    sizes = {"file_mb": round(path.stat().st_size / 1e6, 2), "load_s": round(engine.load_s, 4)}
    return Contender(
        {**labels, "threads": threads, "batch": batch, **sizes, "bytes_per_step": moved}, engine.run
    )


def engine_contenders(
    paths: dict[Quantisation, Path],
    config: ModelConfig,
    *,
    threads_tried: Sequence[int],
    batches: Sequence[int],
    labels: dict[str, Any],
) -> Iterator[Contender]:
    """Batch 1 with every thread count; more in a batch with the most threads."""
    for quantisation, path in paths.items():
        named = {**labels, "engine": "emsync", "weights": quantisation}
        for threads in threads_tried:
            yield engine_contender(path, config, threads=threads, batch=1, labels=named)
        for batch in batches:
            if batch > 1:
                yield engine_contender(path, config, threads=max(threads_tried), batch=batch, labels=named)


def torch_contender(network: Composer, *, threads: int, labels: dict[str, Any]) -> Contender:
    """Everything again for every token, as a plain loop over the network does (the paper's demo among them)."""
    tokens = torch.randint(0, network.config.vocabulary_size, (1, max(CONTEXTS)))
    conditions = torch.zeros(1, max(CONTEXTS), len(Condition))
    present = torch.ones_like(conditions)

    @torch.inference_mode()
    def step(context: int) -> None:
        network(tokens[:, :context], conditions[:, :context], present[:, :context])

    named = {**labels, "engine": "torch, no cache", "weights": "fp32", "threads": threads, "batch": 1}
    return Contender(
        named, lambda context: timed(lambda: step(context), 1), most_rounds=MOST_ROUNDS, rests=True
    )
