"""The section of docs/speed.md about sound made while composing, from benchmarks/results/speed_sound_ahead.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.speed.markdown_table import table

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "speed_sound_ahead.json"
HEAD = [
    "threads that compose",
    "sound is made",
    "time (s)",
    "from - to",
    "of the time after",
    "compose (s)",
    "render (s)",
    "CPU time (s)",
    "peak memory",
]
NAMES = {"after": "after composing", "while": "while composing"}


def section(results: dict[str, Any]) -> str:
    """The section in Markdown."""
    machine, film = results["machine"], results["film"]
    introduction = f"""## Sound while composing

From `benchmarks/results/speed_sound_ahead.json`; measure again with `python -m benchmarks.speed.sound_ahead FILM`.

`emsync score` of `{film["film"]}` ({film["duration_s"]:.0f} s, {film["width"]} x {film["height"]}), whole processes \
that took turns, {results["rounds"]} rounds on {machine["cores"]} cores of {machine["processor"]}, load average before \
{results["load_average"]:g}. The WAV is the same to the byte. Sound is made while composing where a core is free beside
those that compose (at most four): not by default on this machine, but with `--threads 1`.
"""
    rows = [
        [
            str(way["threads"]),
            NAMES[name],
            f"{way[name]['wall_s']:.2f}",
            f"{min(way[name]['wall_s_all']):.2f} - {max(way[name]['wall_s_all']):.2f}",
            f"{way['while_times_after']:.2f}" if name == "while" else "1",
            f"{way[name]['compose_s']:.2f}",
            f"{way[name]['render_s']:.2f}",
            f"{way[name]['cpu_s']:.2f}",
            f"{way[name]['peak_memory_mb']} MB",
        ]
        for way in results["ways"]
        for name in NAMES
    ]
    return "\n".join([introduction, table(HEAD, rows)])
