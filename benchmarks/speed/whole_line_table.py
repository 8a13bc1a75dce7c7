"""The section of docs/speed.md about the whole line, from benchmarks/results/speed_whole_line.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.speed.markdown_table import table

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "speed_whole_line.json"
INTRODUCTION = """## The whole line

From `benchmarks/results/speed_whole_line.json`; measure again with `python -m benchmarks.speed.whole_line FILM...`,
for films of several lengths made of two with `--sharp 1080P_FILM --long FILM`.
"""
WHERE = (
    "Where the time goes (wall; what is done in the background while something else is waited for, such as listening "
    "during the scan, counts where it is waited for):"
)


def section(results: dict[str, Any]) -> str:
    """The section in Markdown."""
    machine, films = results["machine"], results["films"]
    stages = list(films[0]["seconds"])
    measured_on = (
        f"`emsync score` from start to end of the process, models loaded on the way; median of "
        f"{results['repeats']} runs on {machine['cores']} cores of {machine['processor']}, "
        f"{machine['system']}, Python {machine['python']}{_busy(results)}. All times in seconds.\n"
    )
    whole = table(
        ["film", "length", "picture", "time", "time / length", "time a minute", "CPU time", "peak memory"],
        [
            [
                film["film"],
                f"{film['duration_s']:.1f}",
                f"{film['width']} x {film['height']}, {film['frame_rate_fps']:g} fps, {film['codec']}",
                f"{film['wall_s']:.1f}",
                f"{film['wall_per_film_s']:.2f}",
                f"{60 * film['wall_per_film_s']:.1f}",
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
    growing = _growing(results["growth"]) if "growth" in results else []
    return "\n".join([INTRODUCTION, measured_on, whole, f"{WHERE}\n", parts, *growing])


def _busy(results: dict[str, Any]) -> str:
    return f", load average before it {results['load_average']:g}" if "load_average" in results else ""


def _growing(growth: dict[str, Any]) -> list[str]:
    """How the costs grow with the length of a film."""
    films, memory_mb = growth["films"], growth["memory_growth_mb"]
    words = (
        f"From `{films[0]}` to `{films[-1]}` the peak memory grows by {memory_mb} MB. A line through each cost of "
        f"these {len(films)} films, the fixed part and a minute of film; and the exponent with which the cost grows "
        "with length once the fixed part is taken off, 1 being linear:\n"
    )
    lines = [
        [
            name.removesuffix("_s"),
            f"{cost['fixed']:.2f}",
            f"{cost['per_minute']:.2f}",
            f"{cost['exponent_beyond_fixed']:.2f}",
        ]
        for name, cost in growth["costs"].items()
    ]
    return [words, table(["cost (s)", "fixed", "a minute", "exponent"], lines)]
