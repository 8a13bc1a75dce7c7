"""A composer for tests that need some music at once and do not care which."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from emsync.options import ComposeOptions
from emsync.types import NOTE_DTYPE, TICKS_PER_S, Composition, CueSheet, Hit, InstrumentGroup

BAR_TICKS = 2 * TICKS_PER_S
CHORD_PITCHES = (48, 55, 60, 64)


def plain_chords(
    cue_sheet: CueSheet,
    options: ComposeOptions,
    *,
    on_progress: Callable[[float], None] | None = None,
    hear: object = None,
) -> Composition:
    """A piano chord at the start of every bar of two seconds and on every boundary."""
    duration_ticks = int(cue_sheet.duration_s * TICKS_PER_S)
    bars = tuple(range(0, max(duration_ticks - BAR_TICKS, 1), BAR_TICKS))
    asked_for = {round(boundary.time_s * TICKS_PER_S) for boundary in cue_sheet.boundaries}
    onsets = sorted(onset for onset in {*bars, *asked_for} if onset < duration_ticks)
    rows = []
    for onset, following in zip(onsets, [*onsets[1:], duration_ticks], strict=True):
        length = max(min(following - onset, BAR_TICKS), 1)
        rows += [(onset, length, InstrumentGroup.PIANO, pitch, 80) for pitch in CHORD_PITCHES]
    if on_progress:
        on_progress(1.0)
    return Composition(
        notes=np.array(rows, NOTE_DTYPE),
        bar_onsets_ticks=bars,
        chord_onsets_ticks=tuple(onsets),
        duration_ticks=duration_ticks,
        hits=tuple(Hit(one, round(one.time_s * TICKS_PER_S)) for one in cue_sheet.boundaries),
        seed=options.seed,
        weights_sha256="0" * 64,
    )
