"""The part "How fast" of docs/emotion.md from benchmarks/results/analysis_cost.json; a test holds the two together."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "analysis_cost.json"
PAGE = ROOT / "docs" / "emotion.md"
BEGIN, END = "<!-- analysis cost: begin -->\n", "<!-- analysis cost: end -->\n"


def cost_text(results: dict[str, Any]) -> str:
    """Both tables with what they were measured on, in Markdown."""
    film, machine = results["film"], results["machine"]
    told = (
        f"Measured by `{results['command']}`,\n"
        "written into this page by `python -m benchmarks.emotion.cost_table`. The\n"
        f"film is {film['name']} ({film['duration_s']:.0f} s, {film['width']} x {film['height']}, "
        f"{film['frame_rate_fps']:g} fps); {machine['cores']} cores of {machine['processor']},\n"
        f"shared with other work (load average {results['load_average']:g}), so trust CPU time (user and system, all\n"
        "threads, start of the process to its end) and take wall time for an upper bound.\n"
    )
    return "\n".join([told, senses_table(results), lengths_table(results)])


def senses_table(results: dict[str, Any]) -> str:
    """CPU and wall time for a second of film, by choice of senses."""
    duration_s = results["film"]["duration_s"]
    head = ("senses", "CPU s a film s", "beside decoding", "wall s a film s", "peak memory")
    rows = [
        (
            named(one["senses"]),
            f"{one['cpu_s'] / duration_s:.2f}",
            f"{one['times_decoding']:.2f}",
            f"{one['wall_s'] / duration_s:.2f}",
            f"{one['peak_memory_mb']} MB",
        )
        for one in results["senses"]
    ]
    return table(head, rows)


def named(senses: str) -> str:
    """The first cell of a row; a single sense is told apart from the same name in other tables of the page."""
    return senses.replace(",", ", ") if "," in senses or " " in senses else f"{senses} alone"


def lengths_table(results: dict[str, Any]) -> str:
    """Peak memory of small made-up films that differ in their length only."""
    head = ("length of a film, 320 x 180 at 12 fps", "shots", "peak memory", "CPU s a film s")
    rows = [
        (
            f"{one['minutes']} min",
            str(one["shots"]),
            f"{one['peak_memory_mb']} MB",
            f"{one['cpu_s'] / one['minutes'] / 60:.3f}",
        )
        for one in results["lengths"]
    ]
    return table(head, rows)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def with_cost(page: str, text: str) -> str:
    """The page with this text between its two marks."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}{text}{END}{after}"


def main() -> None:
    """Write the part of the page."""
    text = cost_text(json.loads(RESULTS.read_text("utf-8")))
    PAGE.write_text(with_cost(PAGE.read_text("utf-8"), text), "utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
