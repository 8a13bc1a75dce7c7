"""How long `emsync score` takes, measured from outside: start of the process to its end, models loaded on the way.

    python benchmarks/speed/whole_line.py film.mp4 other.mp4      # without a film: the sample film
    python -m benchmarks.speed.table                              # then writes docs/speed.md

Each film is scored several times in a process of its own; the median counts. Peak memory is that of the process.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "speed_whole_line.json"


@dataclass(frozen=True)
class Run:
    """One scored film. `seconds` are the stages; what is left of `wall_s` is start-up and checks."""

    wall_s: float
    cpu_s: float
    peak_memory_mb: float
    seconds: dict[str, float]
    report: dict[str, Any]


def score_once(film: Path, folder: Path) -> Run:
    """Run `emsync score` on the film in a new process."""
    report_path = folder / "report.json"
    command = [sys.executable, "-m", "emsync", "score", str(film), "--json", "--force"]
    command += ["-o", str(folder / f"scored{film.suffix if film.suffix == '.webm' else '.mkv'}")]
    with report_path.open("wb") as out:
        started_s = time.perf_counter()
        process = subprocess.Popen(command, stdout=out)
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - started_s
    if status != 0:
        raise SystemExit(f"emsync score {film.name} ended with exit code {os.waitstatus_to_exitcode(status)}")
    report = json.loads(report_path.read_text("utf-8"))
    cpu_s = usage.ru_utime + usage.ru_stime
    return Run(wall_s, cpu_s, usage.ru_maxrss / 1024, report["seconds"], report)


def measure(film: Path, repeats: int) -> dict[str, Any]:
    """The median run of a film, and the spread of the wall time."""
    from emsync.video.probe import probe  # noqa: PLC0415

    info = probe(film)
    with tempfile.TemporaryDirectory() as folder:
        runs = [score_once(film, Path(folder)) for _ in range(repeats)]
    middle = sorted(runs, key=lambda run: run.wall_s)[len(runs) // 2]
    report = middle.report
    hits = [one["hit"] for one in report["boundaries"]]
    return {
        "film": film.name,
        "duration_s": round(info.duration_s, 2),
        "width": info.width,
        "height": info.height,
        "frame_rate_fps": round(float(info.frame_rate_fps), 3),
        "codec": info.codec,
        "wall_s": round(statistics.median(run.wall_s for run in runs), 2),
        "wall_s_all": [round(run.wall_s, 2) for run in runs],
        "wall_per_film_s": round(middle.wall_s / info.duration_s, 3),
        "cpu_s": round(middle.cpu_s, 2),
        "peak_memory_mb": round(max(run.peak_memory_mb for run in runs)),
        "seconds": middle.seconds,
        "start_up_s": round(middle.wall_s - sum(middle.seconds.values()), 2),
        "boundaries": len(hits),
        "boundaries_hit": sum(hits),
        "loudness_lufs": report["loudness_lufs"],
        "notes": report["notes"],
    }


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def sample_film(folder: Path) -> Path:
    """The sample film, rendered for the occasion."""
    path = folder / "sample.mp4"
    subprocess.run([sys.executable, str(ROOT / "examples" / "sample_film.py"), str(path)], check=True)
    return path


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("films", nargs="*", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        films = arguments.films or [sample_film(Path(folder))]
        measured = []
        for film in films:
            measured.append(measure(film, arguments.repeats))
            print(f"{film.name}: {measured[-1]['wall_s']} s for {measured[-1]['duration_s']} s of film")
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    document = {"machine": machine(), "repeats": arguments.repeats, "films": measured}
    arguments.output.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    print(f"wrote {arguments.output}")


if __name__ == "__main__":
    main()
