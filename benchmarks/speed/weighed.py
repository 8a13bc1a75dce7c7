"""Processes weighed from outside: wall time, CPU time of all their threads, peak memory."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

Commands = dict[str, list[str | Path]]
"""What is run, by name."""


@dataclass(frozen=True)
class Weighed:
    """One process from its start to its end, and what it said on stdout."""

    wall_s: float
    cpu_s: float
    peak_memory_mb: float
    said: str


def weigh(command: Sequence[str | Path], folder: Path) -> Weighed:
    """Run a command; its output goes through a file in `folder`. Ends the program with its error if it fails."""
    out = folder / "said.txt"
    with out.open("wb") as file:
        started_s = time.perf_counter()
        process = subprocess.Popen([str(word) for word in command], stdout=file, stdin=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - started_s
    if status != 0:
        raise SystemExit(
            f"{Path(command[0]).name} ended with exit code {os.waitstatus_to_exitcode(status)}: {command}"
        )
    said = out.read_text("utf-8", "replace")
    return Weighed(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, said)


def take_turns(turns: Commands, folder: Path, rounds: int) -> dict[str, list[Weighed]]:
    """The runs of each command, a list entry a round; every other round in reverse."""
    runs: dict[str, list[Weighed]] = {name: [] for name in turns}
    for number in range(rounds):
        for name in list(turns) if number % 2 == 0 else reversed(turns):
            runs[name].append(weigh(turns[name], folder))
            print(f"  {name}: {runs[name][-1].wall_s:.2f} s, CPU {runs[name][-1].cpu_s:.2f} s", flush=True)
    return runs
