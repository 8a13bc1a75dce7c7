"""What it brings to make sound while the score is being composed: `emsync score` with and without, in turns.

    python -m benchmarks.speed.sound_ahead FILM [--rounds 4]
    python -m benchmarks.speed.table                             # then writes docs/speed.md

Whole processes, which are told that they have many cores or one: with many, sound is made ahead. Composing has one
thread, so that of two cores one is free for the sound, or all cores that it would use. The results are the same files.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.speed.weighed import Commands, Weighed, take_turns
from benchmarks.speed.whole_line import described, machine

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "speed_sound_ahead.json"
MANY, ONE = 64, 1


def score_as_with(cores: int, arguments: list[str]) -> None:
    """`emsync score` as if there were so many cores for sound."""
    from emsync import cli, pipeline  # noqa: PLC0415

    pipeline.usable_cores = lambda: cores
    sys.argv = ["emsync", "score", *arguments]
    cli.main()


def commands(film: Path, folder: Path, threads: int) -> Commands:
    """Sound after composing and while composing, by name."""
    return {
        name: [
            sys.executable,
            "-m",
            "benchmarks.speed.sound_ahead",
            "--as-with",
            str(cores),
            film,
            "--threads",
            str(threads),
            "--json",
            "--force",
            "-o",
            folder / f"{name}.mkv",
        ]
        for name, cores in (("after", ONE), ("while", MANY))
    }


def measure(film: Path, threads: int, rounds: int) -> dict[str, Any]:
    """Both ways with so many threads for composing. Raises: ValueError if they made other sound."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        runs = take_turns(commands(film, folder, threads), folder, rounds)
        made = {hashlib.sha256((folder / f"{name}.wav").read_bytes()).hexdigest() for name in runs}
    if len(made) != 1:
        raise ValueError(f"{film}: sound that is made ahead is not that of the file")
    times = zip(runs["after"], runs["while"], strict=True)
    return {
        "threads": threads,
        "while_times_after": round(
            statistics.median(ahead.wall_s / after.wall_s for after, ahead in times), 3
        ),
        **{name: _summary(done) for name, done in runs.items()},
    }


def _summary(runs: list[Weighed]) -> dict[str, Any]:
    seconds = [json.loads(run.said)["seconds"] for run in runs]
    return {
        "wall_s": round(statistics.median(run.wall_s for run in runs), 2),
        "wall_s_all": [round(run.wall_s, 2) for run in runs],
        "cpu_s": round(statistics.median(run.cpu_s for run in runs), 2),
        "compose_s": round(statistics.median(one["compose"] for one in seconds), 2),
        "render_s": round(statistics.median(one["render"] for one in seconds), 2),
        "peak_memory_mb": round(max(run.peak_memory_mb for run in runs)),
    }


def main() -> None:
    """Command line."""
    if sys.argv[1:2] == ["--as-with"]:
        score_as_with(int(sys.argv[2]), sys.argv[3:])
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("film", type=Path)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    from emsync.video.probe import probe  # noqa: PLC0415

    load_average = round(os.getloadavg()[0], 1)
    cores = machine()["cores"]
    document = {
        "machine": machine(),
        "load_average": load_average,
        "rounds": arguments.rounds,
        "film": described(probe(arguments.film)),
        "ways": [measure(arguments.film, threads, arguments.rounds) for threads in sorted({1, cores})],
    }
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    print(f"wrote {arguments.output}")


if __name__ == "__main__":
    main()
