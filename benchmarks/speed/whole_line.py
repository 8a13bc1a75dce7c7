"""How long `emsync score` takes, measured from outside: start of the process to its end, models loaded on the way.

    python -m benchmarks.speed.whole_line film.mp4 other.mp4      # without a film: the sample film
    python -m benchmarks.speed.whole_line --sharp 1080p.mp4 --long 720p.mp4 --repeats 3
    python -m benchmarks.speed.table                              # then writes docs/speed.md

Each film is scored several times in a process of its own; the median counts. Peak memory is that of the process.
With --sharp and --long, films are made by repeating those two, packets copied: 15 s and 60 s of the first; 15 s, 60 s,
10 min and 60 min of the second, which tell how the cost grows with length. Films of 10 min and more are scored once.
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
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.speed.growth import growth
from benchmarks.speed.lengths import of_length
from benchmarks.speed.weighed import weigh

from emsync.types import VideoInfo

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "speed_whole_line.json"
SHARP_LENGTHS_S = (15.0, 60.0)
LENGTHS_S = (15.0, 60.0, 600.0, 3600.0)
ONCE_FROM_S = 300.0
"""Films as long as this are scored once: an hour of film is its own average."""


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
    command = [sys.executable, "-m", "emsync", "score", str(film), "--json", "--force"]
    command += ["-o", str(folder / f"scored{film.suffix if film.suffix == '.webm' else '.mkv'}")]
    done = weigh(command, folder)
    report = json.loads(done.said)
    return Run(done.wall_s, done.cpu_s, done.peak_memory_mb, report["seconds"], report)


def measure(film: Path, repeats: int) -> dict[str, Any]:
    """A film's median wall time and its spread; all else of the middle run, of two the slower."""
    from emsync.video.probe import probe  # noqa: PLC0415

    info = probe(film)
    with tempfile.TemporaryDirectory() as folder:
        runs = [score_once(film, Path(folder)) for _ in range(repeats)]
    middle = sorted(runs, key=lambda run: run.wall_s)[len(runs) // 2]
    report, wall_s = middle.report, statistics.median(run.wall_s for run in runs)
    hits = [one["hit"] for one in report["boundaries"]]
    return {
        **described(info),
        "wall_s": round(wall_s, 2),
        "wall_s_all": [round(run.wall_s, 2) for run in runs],
        "wall_per_film_s": round(wall_s / info.duration_s, 3),
        "wall_per_minute_s": round(60 * wall_s / info.duration_s, 2),
        "cpu_s": round(middle.cpu_s, 2),
        "cpu_s_all": [round(run.cpu_s, 2) for run in runs],
        "peak_memory_mb": round(max(run.peak_memory_mb for run in runs)),
        "seconds": middle.seconds,
        "start_up_s": round(middle.wall_s - sum(middle.seconds.values()), 2),
        "boundaries": len(hits),
        "boundaries_hit": sum(hits),
        "loudness_lufs": report["loudness_lufs"],
        "notes": report["notes"],
    }


def described(info: VideoInfo) -> dict[str, Any]:
    """What a film is, as the results name it."""
    return {
        "film": info.path.name,
        "duration_s": round(info.duration_s, 2),
        "width": info.width,
        "height": info.height,
        "frame_rate_fps": round(float(info.frame_rate_fps), 3),
        "codec": info.codec,
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


def films_of_lengths(source: Path, lengths_s: Sequence[float], folder: Path) -> list[Path]:
    """Films of these lengths, made of one."""
    return [
        of_length(source, folder / f"{source.stem}-{length_s:g}s{source.suffix}", length_s)
        for length_s in lengths_s
    ]


def grown(films: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """How each cost grows over films of one kind, and how much more memory the longest takes than the shortest."""
    lengths_s = [film["duration_s"] for film in films]
    costs = {name: [film[name] for film in films] for name in ("wall_s", "cpu_s")}
    costs |= {f"{stage} stage": [film["seconds"][stage] for film in films] for stage in films[0]["seconds"]}
    memory = [film["peak_memory_mb"] for film in films]
    return {
        "films": [film["film"] for film in films],
        "memory_growth_mb": memory[lengths_s.index(max(lengths_s))] - memory[lengths_s.index(min(lengths_s))],
        "costs": {
            name: {key: round(value, 3) for key, value in asdict(growth(lengths_s, values)).items()}
            for name, values in costs.items()
            if all(values)
        },
    }


def measure_all(films: Sequence[Path], repeats: int) -> list[dict[str, Any]]:
    """Every film in turn; a line on stdout for each."""
    from emsync.video.probe import probe  # noqa: PLC0415

    rows = []
    for film in films:
        times = 1 if probe(film).duration_s >= ONCE_FROM_S else repeats
        rows.append(measure(film, times))
        print(f"{film.name}: {rows[-1]['wall_s']} s for {rows[-1]['duration_s']} s of film", flush=True)
    return rows


def measured(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """What the command line asks for."""
    load_average = round(os.getloadavg()[0], 1)
    document: dict[str, Any] = {
        "machine": machine(),
        "load_average": load_average,
        "repeats": arguments.repeats,
    }
    sharp = [] if arguments.sharp is None else films_of_lengths(arguments.sharp, SHARP_LENGTHS_S, folder)
    lengths_s = [one for one in LENGTHS_S if one <= arguments.longest_s]
    long = [] if arguments.long is None else films_of_lengths(arguments.long, lengths_s, folder)
    films = [*arguments.films, *sharp] or ([] if long else [sample_film(folder)])
    document["films"] = measure_all(films, arguments.repeats)
    if long:
        rows = measure_all(long, arguments.repeats)
        document["films"] += rows
        document["growth"] = grown(rows)
    return document


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("films", nargs="*", type=Path)
    parser.add_argument("--sharp", type=Path, help="a 1080p film to make 15 s and 60 s of")
    parser.add_argument("--long", type=Path, help="a film to make 15 s, 60 s, 10 min and 60 min of")
    parser.add_argument("--longest-s", type=float, default=LENGTHS_S[-1], help="leave out longer ones")
    parser.add_argument("--folder", type=Path, help="where the films are made (20 MB a minute at 1080p)")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        document = measured(arguments, Path(folder))
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    print(f"wrote {arguments.output}")


if __name__ == "__main__":
    main()
