"""Which chords of a piece could answer a scene cut.

The paper places a CHORD token before "long chords" and publishes one number, `chord_beat_threshold = 2`. Our
reading: at least three pitches of one struck group of notes that are each held for two beats. A note belongs to the
struck group of the one before it if it follows within `TOGETHER_TICKS`, since played chords are never exactly
simultaneous.
"""

from __future__ import annotations

import numpy as np

from emsync.types import Floats, InstrumentGroup, Notes, Ticks

TOGETHER_TICKS = 5
HELD_BEATS = 2.0
HELD_TOLERANCE = 0.85
CHORD_PITCHES = 3


def chord_onsets(notes: Notes, beat_onsets_ticks: Ticks) -> Ticks:
    """Onsets of long chords, strictly increasing, each the earliest onset of its struck notes.

    Args:
        notes: sorted by onset.
        beat_onsets_ticks: strictly increasing, at least two; times outside are extrapolated by the first
            and last beat's length.
    Source: arXiv:2502.10154 (`chord_beat_threshold`); the three pitches and tolerances are ours. A chord
        released up to 15 % early still counts, because players lift before the next one.
    """
    pitched = notes[notes["group"] != InstrumentGroup.DRUMS]
    if not len(pitched):
        return np.zeros(0, np.int64)
    onset = pitched["onset_ticks"].astype(np.int64)
    held_beats = beats_at(onset + pitched["duration_ticks"], beat_onsets_ticks) - beats_at(
        onset, beat_onsets_ticks
    )
    struck = np.cumsum(np.diff(onset, prepend=onset[0]) > TOGETHER_TICKS)
    is_long = held_beats >= HELD_BEATS * HELD_TOLERANCE
    distinct = np.unique(struck[is_long] * 128 + pitched["pitch"][is_long])
    pitches = np.bincount(distinct // 128, minlength=int(struck[-1]) + 1)
    first_onsets = onset[np.flatnonzero(np.diff(struck, prepend=-1))]
    return np.asarray(first_onsets[pitches >= CHORD_PITCHES])


def beats_at(times_ticks: Ticks, beat_onsets_ticks: Ticks) -> Floats:
    """Beat position, fractional, of times in ticks; linear inside beats and beyond both ends."""
    if len(beat_onsets_ticks) < 2:
        raise ValueError("at least two beats are needed to measure a length in beats")
    numbers = np.arange(len(beat_onsets_ticks), dtype=np.float64)
    inside = np.interp(times_ticks, beat_onsets_ticks, numbers)
    first_ticks, last_ticks = np.diff(beat_onsets_ticks[:2])[0], np.diff(beat_onsets_ticks[-2:])[0]
    before = np.minimum(times_ticks - beat_onsets_ticks[0], 0) / first_ticks
    after = np.maximum(times_ticks - beat_onsets_ticks[-1], 0) / last_ticks
    return np.asarray(inside + before + after)
