"""What the network is told at every token besides the music so far, and where each number stands.

Training computes these numbers from a piece, composing from a cue sheet; both call the functions here. A number
that is not known is NaN, and a learned null takes its place (arXiv:2502.10154, section 1, for affect and boundaries).
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from emsync.types import TICK_S, Floats, InstrumentGroup, Ticks


class Condition(IntEnum):
    """Column of each condition.

    Offsets are seconds to what comes next: the next boundary that is not answered, the end of the piece. A bar
    is told by its length in seconds and by how much of it is over, 0 up to 1. Of each instrument group it is
    told whether it plays, 1, or not, 0.
    """

    VALENCE = 0
    AROUSAL = 1
    BOUNDARY_OFFSET_S = 2
    END_OFFSET_S = 3
    BAR_LENGTH_S = 4
    BAR_PHASE = 5
    DRUMS = 6
    BASS = 7
    GUITAR = 8
    PIANO = 9
    STRINGS = 10


CONDITION_NAMES = tuple(condition.name.lower() for condition in Condition)
GROUP_CONDITIONS = slice(Condition.DRUMS, Condition.STRINGS + 1)


def bar_positions(times_ticks: Ticks, bar_onsets_ticks: Ticks) -> Floats:
    """Length of the bar that holds each time, in seconds, and the part of it that is over; shape (T, 2).

    NaN before the first bar and without two bars. The last bar is as long as the one before it, and after it
    nothing is known.

    Args:
        times_ticks: shape (T,).
        bar_onsets_ticks: strictly increasing, shape (N,).

    >>> bar_positions(np.array([0, 125, 499]), np.array([0, 250])).tolist()
    [[2.0, 0.0], [2.0, 0.5], [2.0, 0.996]]
    """
    positions = np.full((len(times_ticks), 2), np.nan)
    if len(bar_onsets_ticks) < 2:
        return positions
    lengths = np.diff(bar_onsets_ticks, append=2 * bar_onsets_ticks[-1] - bar_onsets_ticks[-2])
    bars = np.searchsorted(bar_onsets_ticks, times_ticks, side="right") - 1
    phases = (times_ticks - bar_onsets_ticks[bars]) / lengths[bars]
    known = (bars >= 0) & (phases < 1)
    positions[known, 0] = lengths[bars[known]] * TICK_S
    positions[known, 1] = phases[known]
    return positions


def group_flags(groups: Iterable[InstrumentGroup]) -> NDArray[np.float64]:
    """1 for each group that plays, 0 for each other, shape (5,).

    >>> group_flags([InstrumentGroup.PIANO]).tolist()
    [0.0, 0.0, 0.0, 1.0, 0.0]
    """
    flags = np.zeros(len(InstrumentGroup))
    flags[[int(group) for group in groups]] = 1.0
    return flags
