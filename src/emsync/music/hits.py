"""Which chord answered which boundary."""

from __future__ import annotations

import numpy as np

from emsync.music.score import ANSWER_WINDOW_S
from emsync.types import TICKS_PER_S, CueSheet, Hit


def hits_of(cue_sheet: CueSheet, chord_onsets_ticks: tuple[int, ...]) -> tuple[Hit, ...]:
    """For every boundary the nearest chord within `ANSWER_WINDOW_S`, or none."""
    chords = np.array(chord_onsets_ticks, np.int64)
    hits = []
    for boundary in cue_sheet.boundaries:
        distances = np.abs(chords - round(boundary.time_s * TICKS_PER_S))
        answered = len(chords) > 0 and distances.min() <= ANSWER_WINDOW_S * TICKS_PER_S
        hits.append(Hit(boundary, int(chords[distances.argmin()]) if answered else None))
    return tuple(hits)
