"""Cut detection beside PySceneDetect's own command line and beside bare decoding of the same file.

    python -m benchmarks.speed.cut_detection FILM... [--rounds 5] [--ffmpeg PATH]
    python -m benchmarks.speed.table                             # then writes docs/speed.md

Whole processes, start-up included. They take turns: a round runs each of them once on a film, every other round in
reverse, so that a machine that grows busy slows all alike; ratios are taken within a round. Bare decoding is
`ffmpeg -i FILM -f null -` where there is an ffmpeg, and PyAV's loop in any case: ratios are to the quicker of the two.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.speed.weighed import Commands, Weighed, take_turns
from benchmarks.speed.whole_line import described, machine

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "speed_cut_detection.json"
FFMPEG, PYAV = "ffmpeg, bare decoding", "PyAV, bare decoding"
CUTS, ANALYSE = "emsync, cuts alone", "emsync analyse"
SCENEDETECT = "scenedetect detect-adaptive"
SAME_CUT_S = 0.05


def commands(film: Path, folder: Path, ffmpeg: str | None) -> Commands:
    """What is run on a film, by name."""
    watch = [sys.executable, "-m", "benchmarks.speed.watch_only"]
    scenedetect = Path(sys.executable).with_name("scenedetect")
    found: Commands = {
        PYAV: [*watch, "decode", film],
        CUTS: [*watch, "cuts", film],
        ANALYSE: [
            sys.executable,
            "-m",
            "emsync",
            "analyse",
            film,
            "--force",
            "-q",
            "-o",
            folder / "film.json",
        ],
        SCENEDETECT: [scenedetect, "-q", "-i", film, "-o", folder, "detect-adaptive", "list-scenes", "-s"],
    }
    if ffmpeg is None:
        return found
    return {FFMPEG: [ffmpeg, "-v", "error", "-i", film, "-map", "0:v:0", "-f", "null", "-"], **found}


def rows(runs: dict[str, list[Weighed]]) -> list[dict[str, Any]]:
    """Medians, spreads, and medians of the ratios to bare decoding within each round."""
    bare = [name for name in (FFMPEG, PYAV) if name in runs]
    base = [
        min((runs[name][number] for name in bare), key=lambda run: run.wall_s) for number in _rounds(runs)
    ]
    return [
        {
            "program": name,
            "wall_s": round(statistics.median(run.wall_s for run in done), 2),
            "wall_s_all": [round(run.wall_s, 2) for run in done],
            "cpu_s": round(statistics.median(run.cpu_s for run in done), 2),
            "cpu_s_all": [round(run.cpu_s, 2) for run in done],
            "times_bare_wall": _median_ratio([run.wall_s for run in done], [run.wall_s for run in base]),
            "times_bare_cpu": _median_ratio([run.cpu_s for run in done], [run.cpu_s for run in base]),
            "peak_memory_mb": round(max(run.peak_memory_mb for run in done)),
        }
        for name, done in runs.items()
    ]


def _rounds(runs: dict[str, list[Weighed]]) -> range:
    return range(min(len(done) for done in runs.values()))


def _median_ratio(times_s: Sequence[float], base_s: Sequence[float]) -> float:
    return round(statistics.median(mine / bare for mine, bare in zip(times_s, base_s, strict=True)), 2)


def scenedetect_cuts(folder: Path, film: Path) -> list[float]:
    """The cuts in PySceneDetect's list of scenes, in seconds: where each scene but the first begins."""
    with (folder / f"{film.stem}-Scenes.csv").open(newline="", encoding="utf-8") as file:
        scenes = list(csv.DictReader(file))
    return [float(scene["Start Time (seconds)"]) for scene in scenes[1:]]


def shared(ours_s: Sequence[float], theirs_s: Sequence[float]) -> int:
    """How many of our cuts they found, too, within `SAME_CUT_S`."""
    return sum(any(abs(mine - other) <= SAME_CUT_S for other in theirs_s) for mine in ours_s)


def measure(film: Path, *, rounds: int, ffmpeg: str | None) -> dict[str, Any]:
    """Everything about one film."""
    from emsync.video.probe import probe  # noqa: PLC0415

    info = probe(film)
    print(film.name, flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        runs = take_turns(commands(film, folder, ffmpeg), folder, rounds)
        theirs_s = scenedetect_cuts(folder, film)
    ours_s = json.loads(runs[CUTS][-1].said)
    return {
        **described(info),
        "cuts": len(ours_s),
        "cuts_scenedetect": len(theirs_s),
        "cuts_shared": shared(ours_s, theirs_s),
        "programs": rows(runs),
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("films", nargs="+", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--ffmpeg", default=shutil.which("ffmpeg"), help="the one on the path unless named")
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    load_average = round(os.getloadavg()[0], 1)
    films = [measure(film, rounds=arguments.rounds, ffmpeg=arguments.ffmpeg) for film in arguments.films]
    document = {
        "machine": machine(),
        "load_average": load_average,
        "rounds": arguments.rounds,
        "films": films,
    }
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    print(f"wrote {arguments.output}")


if __name__ == "__main__":
    main()
