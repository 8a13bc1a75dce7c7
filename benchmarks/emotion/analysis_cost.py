"""What `emsync analyse` costs: CPU time by sense beside bare decoding, and memory by length of the film.

    python -m benchmarks.emotion.analysis_cost big_buck_bunny_1080p_30s.mp4
    python -m benchmarks.emotion.cost_table                       # then writes the tables into docs/emotion.md

The film is repeated until it lasts two minutes; every choice of senses is a process of its own, from start to end,
and choices take turns. A sense that lacks its part is left out and said so. CPU time (user and system) is the
figure that a busy machine distorts least; wall time stands beside it. Long films are made by code.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.emotion.films import made_up_minute, repeat
from benchmarks.speed.whole_line import machine

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "analysis_cost.json"
DEFAULT = "image,sound,craft,faces"
CHOICES = (DEFAULT, "image", "sound", "craft", "faces", f"{DEFAULT},speech", f"{DEFAULT},screen_text")
DECODING = "decoding alone"
FILM_S = 120.0
LENGTHS_MINUTES = (1, 10, 60)


@dataclass(frozen=True)
class Run:
    """One process from start to end. `report` is what it wrote as JSON, empty for bare decoding."""

    wall_s: float
    cpu_s: float
    peak_memory_mb: float
    report: dict[str, Any]


class CommandError(Exception):
    """A command ended with an error; the words are what it said."""


def run(command: Sequence[str], folder: Path) -> Run:
    """Run a command and weigh it. Raises: CommandError."""
    out, err = folder / "out.txt", folder / "err.txt"
    with out.open("wb") as out_file, err.open("wb") as err_file:
        started_s = time.perf_counter()
        process = subprocess.Popen(command, stdout=out_file, stderr=err_file)
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - started_s
    if status != 0:
        raise CommandError(err.read_text("utf-8", "replace").strip())
    said = out.read_text("utf-8")
    report = json.loads(said) if said.startswith("{") else {}
    return Run(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, report)


def analyse(film: Path, folder: Path, senses: str | None, speech_weights: Path | None) -> Run:
    """`emsync analyse` of the film, with the default senses if none are named."""
    command = [sys.executable, "-m", "emsync", "analyse", str(film), "--json", "--quiet", "--force"]
    command += ["-o", str(folder / "film.cues.json")]
    command += [] if senses is None else ["--senses", senses]
    command += [] if speech_weights is None else ["--speech-weights", str(speech_weights)]
    return run(command, folder)


def decode(film: Path, folder: Path) -> Run:
    """Decode the film and do nothing else."""
    return run([sys.executable, str(Path(__file__).with_name("decode_only.py")), str(film)], folder)


def cost_by_sense(
    film: Path, folder: Path, *, rounds: int, speech_weights: Path | None
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """A row for bare decoding and for each choice of senses; and why choices were left out."""
    runs: dict[str, list[Run]] = {DECODING: []}
    left_out: dict[str, str] = {}
    for _ in range(rounds):
        runs[DECODING].append(decode(film, folder))
        for senses in CHOICES:
            if senses in left_out:
                continue
            try:
                done = analyse(film, folder, senses, speech_weights if "speech" in senses else None)
            except CommandError as error:
                left_out[senses] = str(error)
                continue
            runs.setdefault(senses, []).append(done)
            print(f"{senses}: {done.cpu_s:.1f} s of CPU time, {done.wall_s:.1f} s", flush=True)
    decoding_s = min(one.cpu_s for one in runs[DECODING])
    return [row(name, done, decoding_s) for name, done in runs.items()], left_out


def row(name: str, runs: Sequence[Run], decoding_s: float) -> dict[str, Any]:
    """The run with the least CPU time, for others' work only ever adds to it; and all times in the order of runs."""
    least = min(runs, key=lambda one: one.cpu_s)
    return {
        "senses": name,
        "cpu_s": round(least.cpu_s, 2),
        "cpu_s_all": [round(one.cpu_s, 2) for one in runs],
        "wall_s": round(least.wall_s, 2),
        "wall_s_all": [round(one.wall_s, 2) for one in runs],
        "times_decoding": round(least.cpu_s / decoding_s, 2),
        "peak_memory_mb": round(max(one.peak_memory_mb for one in runs)),
        "cpu_seconds_all": [one.report.get("cpu_seconds") for one in runs],
    }


def memory_by_length(folder: Path) -> list[dict[str, Any]]:
    """Peak memory and CPU time of films that differ in nothing but their length."""
    minute = made_up_minute(folder / "minute.mp4")
    rows = []
    for minutes in LENGTHS_MINUTES:
        film = repeat(minute, folder / f"{minutes}.mp4", times=minutes)
        done = analyse(film, folder, None, None)
        rows.append(
            {
                "minutes": minutes,
                "shots": len(done.report["cuts_s"]) + 1,
                "peak_memory_mb": round(done.peak_memory_mb),
                "cpu_s": round(done.cpu_s, 1),
                "wall_s": round(done.wall_s, 1),
                "cpu_seconds": done.report["cpu_seconds"],
            }
        )
        print(
            f"{minutes} minutes: {rows[-1]['peak_memory_mb']} MB, {rows[-1]['cpu_s']} s of CPU time",
            flush=True,
        )
    return rows


def measured(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Everything that was measured."""
    from emsync.video.probe import probe  # noqa: PLC0415

    info = probe(arguments.film)
    times = round(FILM_S / info.duration_s)
    film = repeat(arguments.film, folder / f"long{arguments.film.suffix}", times=times)
    load_average, lengths = os.getloadavg()[0], memory_by_length(folder)
    rows, left_out = cost_by_sense(
        film, folder, rounds=arguments.rounds, speech_weights=arguments.speech_weights
    )
    return {
        "command": f"python -m benchmarks.emotion.analysis_cost {arguments.film.name} --rounds {arguments.rounds}",
        "machine": machine(),
        "load_average": round(load_average, 1),
        "film": {
            "name": f"{arguments.film.name}, {times} times",
            "duration_s": round(probe(film).duration_s, 2),
            "width": info.width,
            "height": info.height,
            "frame_rate_fps": round(float(info.frame_rate_fps), 3),
        },
        "senses": rows,
        "left_out": left_out,
        "lengths": lengths,
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("film", type=Path, help="a film with sound")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--speech-weights", type=Path, help="where Whisper's weights lie")
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        document = measured(arguments, Path(folder))
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    print(f"wrote {arguments.output}")


if __name__ == "__main__":
    main()
