"""Draw what an affect sweep measured: one square of valence x arousal for each figure.

Command: python benchmarks/music/affect_figure.py benchmarks/results/music.json --out docs/figures/affect_control.png

Needs matplotlib, which nothing else here does.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

TITLES = {
    "evaluator_valence": "valence, evaluator",
    "evaluator_arousal": "arousal, evaluator",
    "labeller_valence": "valence, labeller",
    "labeller_arousal": "arousal, labeller",
    "mode": "mode (major above 0)",
    "bars_per_minute": "bars a minute (by rule)",
    "pulse": "pulse, -log2 s between onsets",
    "notes_per_group": "log2 notes a second and group",
    "melody_register": "highest pitch, octaves",
    "bass_register": "lowest pitch, octaves",
    "drum_density": "log2 drum onsets a second",
    "velocity": "velocity (by rule)",
}


def draw(results: Path, out: Path) -> None:
    """Write the figure as PNG. Raises: OSError, ValueError or KeyError if there is no sweep in the file."""
    from matplotlib import pyplot  # noqa: PLC0415  (not a dependency)

    affect = json.loads(results.read_text(encoding="utf-8"))["affect"]
    levels = affect["levels"]
    figure, axes = pyplot.subplots(3, 4, figsize=(14, 10), layout="constrained")
    for axis, (name, title) in zip(axes.flat, TITLES.items(), strict=True):
        cells = np.array(affect["cells"][name], np.float64)  # rows valence, columns arousal
        picture = axis.imshow(cells.T, origin="lower", cmap="viridis", aspect="equal")
        for (x, y), value in np.ndenumerate(cells):
            axis.text(x, y, f"{value:.2f}", ha="center", va="center", color="white", fontsize=8)
        axis.set_title(title, fontsize=10)
        axis.set_xticks(range(len(levels)), levels)
        axis.set_yticks(range(len(levels)), levels)
        axis.set_xlabel("valence asked for", fontsize=8)
        axis.set_ylabel("arousal asked for", fontsize=8)
        figure.colorbar(picture, ax=axis, shrink=0.8)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=80)
    pyplot.close(figure)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("results", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    try:
        draw(arguments.results, arguments.out)
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"error: {arguments.results}: no affect sweep to draw ({error})")
    except ImportError:
        sys.exit("error: drawing needs matplotlib: pip install matplotlib")
    print(arguments.out)


if __name__ == "__main__":
    main()
