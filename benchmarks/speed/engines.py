"""Our engine, and the same network as a plain torch loop without a cache, as contenders."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.speed.contender import CONTEXTS, Contender, timed
from benchmarks.speed.networks import bytes_per_step

from emsync.music.conditions import Condition
from emsync.music.model import ComposerModel
from emsync_train.decode_graph import Quantisation
from emsync_train.model import Composer
from emsync_train.model_config import ModelConfig

STEPS = 10
"""Steps timed together in a turn, all at the same context."""


class FilledEngine:
    """Our engine with a cache filled once; then the same place is written again and again."""

    def __init__(self, weights: Path, *, threads: int, batch: int, longest: int = max(CONTEXTS)) -> None:
        began_s = time.perf_counter()
        self._model = ComposerModel.load(weights, threads=threads, batch=batch)
        self.load_s = time.perf_counter() - began_s
        self._tokens = np.random.default_rng(0).integers(0, self._model.vocabulary_size, (batch, longest))
        self._conditions = np.zeros((batch, longest, len(Condition)), np.float32)

    def step(self, context: int) -> None:
        """Make a token with `context` places in use, its own included."""
        if self._model.position < context - 1:
            self._model.step(self._tokens, self._conditions)
        self._model.truncate(context - 1)
        self._model.step(self._tokens[:, context - 1 : context], self._conditions[:, :1])

    def run(self, context: int) -> Sequence[float]:
        """Time some steps, after two that wake the threads up."""
        for _ in range(2):
            self.step(context)
        return timed(lambda: self.step(context), STEPS)


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
    return Contender(named, lambda context: timed(lambda: step(context), 1), rests=True)
