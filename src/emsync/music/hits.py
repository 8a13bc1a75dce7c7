"""Which chord answered which boundary."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from emsync.types import TICKS_PER_S, Boundary, Hit

ANSWER_WINDOW_S = 1.0
"""A chord this close to a boundary may be its answer (arXiv:2502.10154)."""


def hits_of(boundaries: Sequence[Boundary], chord_onsets_ticks: Sequence[int]) -> tuple[Hit, ...]:
    """For every boundary the nearest chord within `ANSWER_WINDOW_S`, or none."""
    chords = np.array(chord_onsets_ticks, np.int64)
    hits = []
    for boundary in boundaries:
        distances = np.abs(chords - round(boundary.time_s * TICKS_PER_S))
        answered = len(chords) > 0 and distances.min() <= ANSWER_WINDOW_S * TICKS_PER_S
        hits.append(Hit(boundary, int(chords[distances.argmin()]) if answered else None))
    return tuple(hits)
