"""Contenders take turns: each round gives every one of them a short while, so that a busy machine slows all alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

CONTEXTS = (1024, 256)
"""Longest first: an engine that holds a long context is truncated to the shorter one at no cost."""
REST_S = 0.25
"""Helper threads of some engines spin on for up to 0.2 s after their work; nobody is timed meanwhile."""


@dataclass
class Contender:
    """One way to do something at a context: `run(context)` does it and returns how long each time took, in ms.

    `rests` after its turn says that its helper threads spin on; `most_rounds` keeps slow ones short.
    """

    labels: dict[str, Any]
    run: Callable[[int], Sequence[float]]
    contexts: tuple[int, ...] = CONTEXTS
    most_rounds: int = 1000
    rests: bool = False
    times_ms: dict[int, list[float]] = field(default_factory=dict)

    def take_turn(self, context: int) -> None:
        """Run once at this context, if it is one of its own."""
        if context not in self.contexts:
            return
        self.times_ms.setdefault(context, []).extend(self.run(context))
        if self.rests:
            time.sleep(REST_S)

    def rows(self) -> Iterator[dict[str, Any]]:
        """A result per context."""
        for context, times_ms in self.times_ms.items():
            yield {**self.labels, "context": context, **spread(times_ms)}


def spread(times_ms: Sequence[float]) -> dict[str, Any]:
    """Median, tenth and ninetieth percentile, and how many there were.

    >>> spread([1.0, 2.0, 3.0])
    {'median_ms': 2.0, 'p10_ms': 1.2, 'p90_ms': 2.8, 'times': 3}
    """
    low, median, high = (round(float(value), 4) for value in np.percentile(times_ms, [10, 50, 90]))
    return {"median_ms": median, "p10_ms": low, "p90_ms": high, "times": len(times_ms)}


def timed(step: Callable[[], object], times: int) -> list[float]:
    """Milliseconds of each of some steps."""
    times_ms = []
    for _ in range(times):
        began_s = time.perf_counter()
        step()
        times_ms.append(1000 * (time.perf_counter() - began_s))
    return times_ms


def take_turns(contenders: Sequence[Contender], rounds: int, contexts: tuple[int, ...] = CONTEXTS) -> None:
    """All contenders, round after round, one context after another."""
    for context in contexts:
        for number in range(rounds):
            for contender in contenders:
                if number < contender.most_rounds:
                    contender.take_turn(context)
