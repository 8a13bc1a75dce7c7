"""How far a long command is: a clock for the stages of the line, and bars for a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol


class StageProgress(Protocol):
    """Called with the name of a stage and how much of it is done, in [0, 1]."""

    def __call__(self, stage: str, fraction: float) -> None:
        """Show it."""


def silent(stage: str, fraction: float) -> None:
    """Shows nothing."""


@dataclass(frozen=True)
class StageTime:
    """How long one stage took: on the wall clock, and in CPU time of all threads together."""

    stage: str
    duration_s: float
    cpu_s: float


class StageClock:
    """Times the stages of the line and passes their progress on under their names."""

    def __init__(self, on_progress: StageProgress = silent) -> None:
        self._on_progress = on_progress
        self._times: list[StageTime] = []

    @property
    def times(self) -> tuple[StageTime, ...]:
        """The finished stages, in order."""
        return tuple(self._times)

    @contextmanager
    def stage(self, name: str) -> Iterator[Callable[[float], None]]:
        """Time the body; what it reports to the yielded function is reported for this stage."""
        started_s, cpu_started_s = time.perf_counter(), time.process_time()
        yield lambda fraction: self._on_progress(name, fraction)
        duration_s, cpu_s = time.perf_counter() - started_s, time.process_time() - cpu_started_s
        self._times.append(StageTime(name, duration_s, cpu_s))


@contextmanager
def progress_bars(wanted: bool) -> Iterator[StageProgress]:
    """A bar a stage on stderr, with the time left; nothing if not wanted or stderr is no terminal."""
    if not wanted or not sys.stderr.isatty():
        yield silent
        return
    from rich.console import Console  # 40 ms that --help must not pay
    from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn
    from rich.progress import TimeRemainingColumn as TimeLeftColumn

    time_left = TimeLeftColumn(compact=True, elapsed_when_finished=True)
    columns = (TextColumn("{task.description:>8}"), BarColumn(), TaskProgressColumn(), time_left)
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=Console(stderr=True)) as progress:

        def show(stage: str, fraction: float) -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(stage, total=1.0)
            progress.update(tasks[stage], completed=fraction)

        yield show
