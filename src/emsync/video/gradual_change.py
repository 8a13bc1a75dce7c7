"""Changes of shot that take several frames: what is known of one."""

from __future__ import annotations

from dataclasses import dataclass

from emsync.types import Cut

STRENGTH = 0.8
"""That of the median hard cut of free films (28 cuts): fades and dissolves are decisions as clear as cuts."""


@dataclass(frozen=True)
class GradualChange:
    """A fade or a dissolve: a time at which it had not begun or had hardly begun, and where the next shot begins."""

    begin_s: float
    cut: Cut

    @classmethod
    def at(cls, time_s: float, *, begin_s: float) -> GradualChange:
        """One whose next shot begins at a time."""
        return cls(begin_s, Cut(time_s, STRENGTH))
