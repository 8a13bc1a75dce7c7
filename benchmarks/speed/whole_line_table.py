"""The section of docs/speed.md about the whole line, from benchmarks/results/speed_whole_line.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.speed.markdown_table import table

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "speed_whole_line.json"
INTRODUCTION = """## The whole line

From `benchmarks/results/speed_whole_line.json`; measure again with `python benchmarks/speed/whole_line.py FILM...`.
"""


def section(results: dict[str, Any]) -> str:
    """The section in Markdown."""
    machine, films = results["machine"], results["films"]
    stages = list(films[0]["seconds"])
    measured_on = (
        f"`emsync score` from start to end of the process, models loaded on the way; median of "
        f"{results['repeats']} runs on {machine['cores']} cores of {machine['processor']}, "
        f"{machine['system']}, Python {machine['python']}. All times in seconds.\n"
    )
    whole = table(
        ["film", "length", "picture", "time", "time / length", "CPU time", "peak memory"],
        [
            [
                film["film"],
                f"{film['duration_s']:.1f}",
                f"{film['width']} x {film['height']}, {film['frame_rate_fps']:g} fps, {film['codec']}",
                f"{film['wall_s']:.1f}",
                f"{film['wall_per_film_s']:.2f}",
                f"{film['cpu_s']:.1f}",
                f"{film['peak_memory_mb']} MB",
            ]
            for film in films
        ],
    )
    parts = table(
        ["film", "start-up, checks", *stages],
        [
            [film["film"], f"{film['start_up_s']:.2f}", *(f"{film['seconds'][name]:.2f}" for name in stages)]
            for film in films
        ],
    )
    return "\n".join([INTRODUCTION, measured_on, whole, "Where the time goes:\n", parts])
