"""How loudly each note is played: arousal sets the level, the network shades it, answered boundaries stand out.

The paper's model has no velocity; its demo plays every note at 80 and the piano and guitar notes of CHORD
tokens at 120 (section 1). Here the level follows the film, and the accent is an addition to it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from emsync.music.chords import TOGETHER_TICKS
from emsync.music.tokenizer import DEFAULT_VELOCITY
from emsync.types import TICK_S, AffectCurve, Floats, Hit, InstrumentGroup, Notes, Ticks

LEVEL = 64.0
"""Velocity at arousal 0: mezzo forte, the middle of the MIDI scale."""

AROUSAL_RANGE = 26.0
"""Added at arousal 1, subtracted at -1: from 38 (piano) to 90 (forte)."""

BAR_ACCENT = 6.0
CHORD_ACCENT = 10.0
HIT_ACCENT = 30.0
_CHORD_GROUPS = (InstrumentGroup.GUITAR, InstrumentGroup.PIANO)

_BALANCE = {
    InstrumentGroup.DRUMS: -2.0,
    InstrumentGroup.BASS: 4.0,
    InstrumentGroup.GUITAR: 0.0,
    InstrumentGroup.PIANO: 2.0,
    InstrumentGroup.STRINGS: -6.0,
}


def shape_dynamics(
    notes: Notes,
    *,
    affect: AffectCurve,
    chord_onsets_ticks: Sequence[int] | Ticks,
    hits: Sequence[Hit],
    bar_onsets_ticks: Sequence[int] | Ticks = (),
) -> Notes:
    """A copy of `notes` with velocities in 1..127; nothing else changes and nothing is random.

    velocity = LEVEL + AROUSAL_RANGE * arousal(onset) + balance of the group + how much softer or louder than
    `DEFAULT_VELOCITY` the network struck the note + the largest accent. Accents:
    `HIT_ACCENT` for every note of a chord that answered a boundary, `CHORD_ACCENT` for piano and guitar
    notes of other chords, `BAR_ACCENT` at bar starts. A chord's notes are those struck at most
    `TOGETHER_TICKS` after its onset. Apart from accents the level is as continuous as the affect curve.
    """
    onsets_ticks = notes["onset_ticks"].astype(np.int64)
    level = LEVEL + AROUSAL_RANGE * affect.arousal_at((onsets_ticks * TICK_S).astype(np.float64))
    balance = np.array([_BALANCE[group] for group in InstrumentGroup])[notes["group"]]
    hit_onsets_ticks = [hit.chord_onset_ticks for hit in hits if hit.chord_onset_ticks is not None]
    in_chord_group = np.isin(notes["group"], _CHORD_GROUPS)
    accents: list[Floats] = [
        HIT_ACCENT * _struck_at(onsets_ticks, hit_onsets_ticks, TOGETHER_TICKS),
        CHORD_ACCENT * in_chord_group * _struck_at(onsets_ticks, chord_onsets_ticks, TOGETHER_TICKS),
        BAR_ACCENT * _struck_at(onsets_ticks, bar_onsets_ticks, 0),
    ]
    struck = notes["velocity"].astype(np.float64) - DEFAULT_VELOCITY
    velocity = np.rint(level + balance + struck + np.max(accents, axis=0))
    shaped = notes.copy()
    shaped["velocity"] = np.clip(velocity, 1, 127)
    return shaped


def _struck_at(onsets_ticks: Ticks, moments_ticks: Sequence[int] | Ticks, within_ticks: int) -> Floats:
    """1.0 where an onset lies on a moment or at most `within_ticks` after it, else 0.0."""
    moments = np.sort(np.asarray(moments_ticks, np.int64))
    if not len(moments):
        return np.zeros(len(onsets_ticks))
    latest = moments[np.maximum(np.searchsorted(moments, onsets_ticks, side="right") - 1, 0)]
    since_ticks = onsets_ticks - latest
    return ((since_ticks >= 0) & (since_ticks <= within_ticks)).astype(np.float64)
