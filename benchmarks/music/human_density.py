"""How many notes a second people write: where `sparse`, `medium`, `dense` and the ceiling of `music/density.py` lie.

Command: python benchmarks/music/human_density.py --shards DIR --out benchmarks/results/human_density.json

Pieces of the training songs, without the arrangements that a program made (`mma_*`), each drawn as likely as any other;
drums count. Of a piece the first three minutes count. Needs the extra `train`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emsync.metrics import note_density
from emsync.music.tokenizer import Piece, decode
from emsync.types import TICKS_PER_S, Floats
from emsync_train.dataset import PieceEntry, Shards

COMMAND = "python benchmarks/music/human_density.py --shards DIR --out benchmarks/results/human_density.json"
MADE_BY_RULES = "mma_"
LONGEST_TICKS = 180 * TICKS_PER_S
WINDOW_S = 2.0
QUANTILES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)


def window_densities(piece: Piece, end_ticks: int) -> Floats:
    """Notes a second in windows of `WINDOW_S`, one every half window, shape (W,); without the silent ones."""
    onsets = np.sort(piece.notes["onset_ticks"].astype(np.int64))
    length = round(WINDOW_S * TICKS_PER_S)
    begins = np.arange(0, max(end_ticks - length, 0) + 1, length // 2)
    counts: NDArray[np.int64] = np.searchsorted(onsets, begins + length) - np.searchsorted(onsets, begins)
    return np.asarray(counts[counts > 0] / WINDOW_S)


def draw_pieces(shards: Shards, count: int, seed: int) -> list[PieceEntry]:
    """Different pieces of people among the training songs, at most `count`."""
    pieces = [piece for piece in shards.of_split("train") if not piece.source.startswith(MADE_BY_RULES)]
    return [pieces[place] for place in np.random.default_rng(seed).permutation(len(pieces))[:count]]


def quantiles(values: Floats, weights: Floats) -> dict[str, float]:
    """Weighted quantiles, named by their share."""
    order = np.argsort(values)
    held = np.cumsum(weights[order]) / weights.sum()
    places = np.minimum(np.searchsorted(held, QUANTILES), len(values) - 1)
    return {
        f"{share:.0%}": round(float(values[order][place]), 2)
        for share, place in zip(QUANTILES, places, strict=True)
    }


def measure(shards: Shards, pieces: Sequence[PieceEntry]) -> dict[str, Any]:
    """Quantiles of notes a second over whole pieces, and over windows, where each piece weighs the same."""
    whole, windows, weights = [], [], []
    for entry in pieces:
        piece = decode(shards.tokens_of(entry), shards.vocabulary)
        end_ticks = min(piece.end_ticks, LONGEST_TICKS)
        whole.append(note_density(piece.notes[piece.notes["onset_ticks"] < end_ticks], end_ticks))
        found = window_densities(piece, end_ticks)
        windows.append(found)
        weights.append(np.full(len(found), 1 / max(len(found), 1)))
    return {
        "notes_per_s_of_pieces": quantiles(np.array(whole), np.ones(len(whole))),
        "notes_per_s_of_windows": quantiles(np.concatenate(windows), np.concatenate(weights)),
        "pieces": len(whole),
        "window_s": WINDOW_S,
    }


def main() -> None:
    """Command line of this file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--shards", type=Path, required=True, help="folder of shards (docs/training.md)")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--pieces", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    shards = Shards(arguments.shards)
    found = measure(shards, draw_pieces(shards, arguments.pieces, arguments.seed))
    figures = {"command": COMMAND, **found, "seed": arguments.seed}
    arguments.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
