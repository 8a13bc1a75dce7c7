"""Instants a few milliseconds apart become one: what nobody hears need not be learned, nor cost a time shift.

Band arrangements are humanised by a random tick or two for every note, and performed chords are never quite together.
In the corpus's bands that costs one token in ten, and every such shift is noise to a network.
"""

from __future__ import annotations

import numpy as np

from emsync.types import Notes, Ticks

ONSETS_WITHIN_TICKS = 2
"""16 ms; listeners hear two onsets as one below about 20 to 30 ms (Hirsh 1959)."""
RELEASES_WITHIN_TICKS = 3
"""24 ms: releases are heard even less exactly than onsets."""


def tightened(notes: Notes, bar_onsets_ticks: Ticks) -> Notes:
    """A copy in which onsets at most `ONSETS_WITHIN_TICKS` apart coincide, and releases with onsets near them.

    Onsets move to the bar line if one is as near as that, else to the most frequent onset among them, the
    earliest of equals. No note gets shorter than a tick.

    Args:
        notes: in any order.
        bar_onsets_ticks: increasing, may be empty.
    """
    if not len(notes):
        return notes.copy()
    moved = notes.copy()
    onsets = notes["onset_ticks"].astype(np.int64)
    ends = onsets + notes["duration_ticks"]
    instants, number, counts = np.unique(onsets, return_inverse=True, return_counts=True)
    instants = _onto(_clustered(instants, counts), bar_onsets_ticks, ONSETS_WITHIN_TICKS)
    onsets = instants[number]
    released = _onto(ends, np.unique(instants), RELEASES_WITHIN_TICKS)
    ends = np.where(released > onsets, released, ends)
    moved["onset_ticks"] = onsets
    moved["duration_ticks"] = np.maximum(ends - onsets, 1)
    return moved


def _clustered(instants: Ticks, counts: Ticks) -> Ticks:
    """For each of increasing instants the most frequent one of its cluster, shape kept."""
    centres = instants.copy()
    begin = 0
    for place in range(1, len(instants) + 1):
        if place == len(instants) or instants[place] - instants[begin] > ONSETS_WITHIN_TICKS:
            centres[begin:place] = instants[begin + int(counts[begin:place].argmax())]
            begin = place
    return centres


def _onto(times: Ticks, targets: Ticks, within_ticks: int) -> Ticks:
    """Each time moved to the nearest of increasing targets if that is near enough, the earlier of two."""
    if not len(targets):
        return times
    after = np.clip(np.searchsorted(targets, times), 0, len(targets) - 1)
    before = np.maximum(after - 1, 0)
    nearest = np.where(
        times - targets[before] <= np.abs(targets[after] - times), targets[before], targets[after]
    )
    return np.where(np.abs(nearest - times) <= within_ticks, nearest, times)
