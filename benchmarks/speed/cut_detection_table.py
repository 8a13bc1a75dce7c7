"""The section of docs/speed.md about cut detection, from benchmarks/results/speed_cut_detection.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.speed.markdown_table import table

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "speed_cut_detection.json"
TARGETS = {"emsync, cuts alone": 1.5, "emsync analyse": 2.0}
"""How many times bare decoding each may take."""
HEAD = [
    "program",
    "time (s)",
    "from - to",
    "times bare decoding",
    "CPU time (s)",
    "times its CPU time",
    "peak memory",
]


def section(results: dict[str, Any]) -> str:
    """The section in Markdown."""
    machine = results["machine"]
    introduction = f"""## Cut detection

From `benchmarks/results/speed_cut_detection.json`; measure again with
`python -m benchmarks.speed.cut_detection FILM... [--ffmpeg PATH]`.

Whole processes, start-up included, that took turns: {results["rounds"]} rounds on {machine["cores"]} cores of \
{machine["processor"]}, {machine["system"]}, Python {machine["python"]}, whose load average was \
{results["load_average"]:g} before. Ratios are medians of those within a round, to the quicker bare decoding.
`emsync analyse` also hears the sound and judges what is felt (image, sound, craft, faces).
"""
    return "\n".join([introduction, *(_about(film) for film in results["films"])])


def _about(film: dict[str, Any]) -> str:
    lines = [
        [
            one["program"],
            f"{one['wall_s']:.2f}",
            f"{min(one['wall_s_all']):.2f} - {max(one['wall_s_all']):.2f}",
            f"{one['times_bare_wall']:.2f}{_judged(one)}",
            f"{one['cpu_s']:.2f}",
            f"{one['times_bare_cpu']:.2f}",
            f"{one['peak_memory_mb']} MB",
        ]
        for one in film["programs"]
    ]
    words = (
        f"`{film['film']}`, {film['duration_s']:.0f} s, {film['width']} x {film['height']}, "
        f"{film['frame_rate_fps']:g} fps, {film['codec']}: {film['cuts']} cuts, PySceneDetect "
        f"{film['cuts_scenedetect']}, of ours {film['cuts_shared']} among them.\n"
    )
    return "\n".join([words, table(HEAD, lines)])


def _judged(one: dict[str, Any]) -> str:
    target = TARGETS.get(one["program"])
    if target is None:
        return ""
    return f" (target {target:g}: {'met' if one['times_bare_wall'] <= target else 'missed'})"
