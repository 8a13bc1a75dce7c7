"""One group has each pitch once: what that means for notes that overlap."""

from __future__ import annotations

import numpy as np

from emsync.types import Notes


def without_overlaps(notes: Notes) -> Notes:
    """Notes of which no two of one group and pitch sound at once; a copy, sorted by onset, group, pitch.

    Of equal onsets the longest stays; a note ends where its pitch is struck again.
    """
    lanes = notes["group"].astype(np.int64) * 128 + notes["pitch"]
    order = np.lexsort((-notes["duration_ticks"], notes["onset_ticks"], lanes))
    kept, lanes = notes[order], lanes[order]
    doubled = (lanes[1:] == lanes[:-1]) & (kept["onset_ticks"][1:] == kept["onset_ticks"][:-1])
    keep = np.concatenate((np.ones(min(len(kept), 1), bool), ~doubled))
    kept, lanes = kept[keep], lanes[keep]
    room_ticks = np.diff(kept["onset_ticks"])
    struck_again = (lanes[1:] == lanes[:-1]) & (room_ticks < kept["duration_ticks"][:-1])
    kept["duration_ticks"][:-1][struck_again] = room_ticks[struck_again]
    return np.asarray(kept[np.lexsort((kept["pitch"], kept["group"], kept["onset_ticks"]))])
