"""How a score comes to rest: the dominant seventh, then the tonic."""

from __future__ import annotations

from emsync.control import Mode
from emsync.music.key_plan import KeyPlan
from emsync.music.score_plan import ScorePlan
from emsync.music.vocabulary import Vocabulary
from emsync.types import Floats

DOMINANT = (7, 11, 2, 5)
TONIC_CHORDS = {Mode.MAJOR: (0, 4, 7), Mode.MINOR: (0, 3, 7), None: (0, 7)}
"""Semitones above the tonic. Without a clear mode the last chord is an open fifth."""
CADENCE_BEATS = 4
"""The dominant takes the last beats before the last chord."""
_CADENCE_WEIGHT = 2.0
_LAST_CHORD_WEIGHT = 6.0


class CadenceShaping:
    """An authentic cadence: the dominant seventh before the last chord, then the tonic; it hears nothing.

    The strongest of endings in tonal music (Caplin 1998, Classical Form). The network chooses the notes; those outside
    the chord are made unlikely, not impossible.
    """

    def __init__(self, vocabulary: Vocabulary, plan: ScorePlan) -> None:
        chord_ticks, beats_ticks = plan.ending.chord_ticks, plan.bars.beats_ticks
        before = beats_ticks[beats_ticks < chord_ticks][-CADENCE_BEATS:]
        self._chord_ticks = chord_ticks
        self._begin_ticks = float(before[0]) if len(before) == CADENCE_BEATS else float(chord_ticks)
        key, key_plan = (
            plan.key_at(chord_ticks),
            KeyPlan(vocabulary, tonic=plan.tonic, strength=plan.options.key_strength),
        )
        self._dominant = key_plan.chord_bias(DOMINANT, key.tonic, _CADENCE_WEIGHT)
        self._tonic = key_plan.chord_bias(TONIC_CHORDS[key.mode], key.tonic, _LAST_CHORD_WEIGHT)

    def copy(self) -> CadenceShaping:
        """Itself: there is no state."""
        return self

    def accept(self, token: int, now_ticks: int) -> None:
        """Nothing is remembered."""

    def bias(self, now_ticks: int) -> Floats | None:
        """Against notes outside the dominant before the last chord and outside the tonic chord from it on."""
        if now_ticks >= self._chord_ticks:
            return self._tonic
        return self._dominant if now_ticks >= self._begin_ticks else None
