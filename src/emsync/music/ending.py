"""How a piece ends: a last chord on a hit point or a little before the end, held, released, then silence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from emsync.types import TICKS_PER_S

HELD_ENDING_S = 3.0
"""The last chord is held for about this long, less in a short film."""
SILENT_ENDING_S = 0.3
"""What sounds is released this long before the end, so that the release is heard."""
SHORTEST_HOLD_S = 0.2
"""A last chord that would be held for no longer sounds to the very end instead."""


@dataclass(frozen=True)
class Ending:
    """When the last chord is struck and when it is released."""

    chord_ticks: int
    release_ticks: int

    @classmethod
    def of(cls, end_ticks: int, boundaries_ticks: Sequence[int]) -> Ending:
        """A boundary near the end takes the last chord; otherwise it falls a little before the end."""
        release_ticks = max(end_ticks - round(SILENT_ENDING_S * TICKS_PER_S), end_ticks * 9 // 10)
        wanted_ticks = end_ticks - min(round(HELD_ENDING_S * TICKS_PER_S), end_ticks // 4)
        last = max((ticks for ticks in boundaries_ticks if ticks < end_ticks), default=0)
        chord_ticks = last if last >= wanted_ticks - TICKS_PER_S else wanted_ticks
        if release_ticks - chord_ticks <= min(round(SHORTEST_HOLD_S * TICKS_PER_S), end_ticks // 10):
            release_ticks = end_ticks
        return cls(chord_ticks, release_ticks)
