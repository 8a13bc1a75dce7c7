"""One thread or more: the time and the CPU time of a step when the caller works between steps, as sampling does."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.speed.contender import Contender, spread
from benchmarks.speed.engines import FilledEngine

from emsync_train.graph_nodes import Quantisation

OTHER_WORK_MS = 0.3
STEPS = 20
CONTEXT = 256


class ThreadChoice:
    """An engine whose steps have other work between them."""

    def __init__(self, path: Path, *, threads: int, batch: int, labels: dict[str, Any]) -> None:
        self._engine = FilledEngine(path, threads=threads, batch=batch, longest=CONTEXT)
        self._cpu_ms: list[float] = []
        named = {
            **labels,
            "threads": threads,
            "batch": batch,
            "weights_mb": round(path.stat().st_size / 1e6, 1),
        }
        self.contender = Contender(named, self._run, contexts=(CONTEXT,))

    def _run(self, context: int) -> Sequence[float]:
        self._engine.step(context)
        times_ms: list[float] = []
        began_s = time.process_time()
        for _ in range(STEPS):
            work(OTHER_WORK_MS)
            step_began_s = time.perf_counter()
            self._engine.step(context)
            times_ms.append(1000 * (time.perf_counter() - step_began_s))
        cpu_ms = 1000 * (time.process_time() - began_s) / STEPS
        self._cpu_ms.append(cpu_ms - OTHER_WORK_MS)
        return times_ms

    def row(self) -> dict[str, Any]:
        """Wall time of a step, and CPU time of a step with all that its threads did until the next."""
        times_ms = self.contender.times_ms[CONTEXT]
        return {
            **self.contender.labels,
            "context": CONTEXT,
            "other_work_ms": OTHER_WORK_MS,
            **spread(times_ms),
            "cpu_ms": round(float(np.median(self._cpu_ms)), 4),
        }


def work(milliseconds: float) -> None:
    """Keep this thread busy."""
    until_s = time.perf_counter() + milliseconds / 1000
    while time.perf_counter() < until_s:
        pass


def thread_choices(
    paths: Mapping[Quantisation, Path], *, threads_tried: Sequence[int], labels: dict[str, Any]
) -> Iterator[ThreadChoice]:
    """Every thread count, with batch 1 and, as the default guidance wants, 2."""
    for weights, path in paths.items():
        for batch in (1, 2):
            for threads in threads_tried:
                named = {**labels, "weights": weights}
                yield ThreadChoice(path, threads=threads, batch=batch, labels=named)
