"""Run `emsync` as a user would, in this process or in one of its own.

As a script it is `emsync` with the plain composer of `tests.composer`, so that a run takes a second.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

import pytest
from tests.composer import plain_chords

from emsync.cli import main, run
from emsync.options import ComposeOptions
from emsync.types import Composition, CueSheet

ROOT = Path(__file__).parents[1]
COMPOSER = "emsync.music.compose"


@dataclass(frozen=True)
class Ended:
    """How a command ended and what it wrote."""

    exit_code: int
    out: str
    err: str


def run_here(*arguments: str | Path, capture: pytest.CaptureFixture[str]) -> Ended:
    """Run a command in this process."""
    capture.readouterr()
    with pytest.raises(SystemExit) as ended:
        run([str(argument) for argument in arguments])
    captured = capture.readouterr()
    code = ended.value.code
    return Ended(code if isinstance(code, int) else 0, captured.out, captured.err)


def start_process(*arguments: str | Path, **options: object) -> subprocess.Popen[str]:
    """Start a command in a process of its own, with the plain composer."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
        [sys.executable, "-m", "tests.command_line", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        **options,
    )


def run_process(*arguments: str | Path, **options: object) -> Ended:
    """Run a command in a process of its own, with the plain composer."""
    process = start_process(*arguments, **options)
    out, err = process.communicate(timeout=120)
    return Ended(process.returncode, out, err)


def composer_module(compose: Callable[..., Composition] = plain_chords) -> ModuleType:
    """A module to stand where the composer is."""

    def compose_takes(cue_sheet: CueSheet, options: ComposeOptions, **values: object) -> list[Composition]:
        seeds = range(options.seed, options.seed + options.takes)
        return [compose(cue_sheet, replace(options, seed=seed), **values) for seed in seeds]

    module = ModuleType(COMPOSER)
    module.compose = compose  # type: ignore[attr-defined]
    module.compose_takes = compose_takes  # type: ignore[attr-defined]
    return module


if __name__ == "__main__":
    sys.modules[COMPOSER] = composer_module()
    main()
