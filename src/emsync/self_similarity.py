"""How much of a piece comes back: the similarity of its bars, and figures of the whole of it.

`bar_similarities` compares every bar with every other; the functions after it each read one figure from that
table. NaN means undefined, as in `emsync.metrics`.

References:
    Self-similarity matrix: Foote, ACM Multimedia 1999. Structure from it: Mueller, Jiang & Grosche, ISMIR 2011;
    Wu & Yang (Jazz Transformer), ISMIR 2020, take it of chroma in audio, here it is of the notes.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from emsync.metrics import POSITIONS_PER_BAR, bar_spans, steps_of
from emsync.types import Floats, InstrumentGroup, Notes, Ticks

FAR_BARS = 8
"""Bars this far apart are heard as a return, nearer ones as going on."""


class Aspect(StrEnum):
    """What of a bar is compared, drums only where it says so."""

    NOTES = "notes"
    """Step, group and pitch, with drums: the bar itself comes back."""
    RHYTHM = "rhythm"
    """Step and group, with drums: its rhythm does."""
    PITCH_CLASSES = "pitch_classes"
    """Step and pitch class, without drums: it comes back in any octave and group."""


def bar_similarities(
    notes: Notes,
    bar_onsets_ticks: Ticks,
    end_ticks: int,
    aspect: Aspect = Aspect.NOTES,
    *,
    positions_per_bar: int = POSITIONS_PER_BAR,
) -> Floats:
    """Similarity of every two bars: shared events / events of either (Jaccard), shape (bars, bars).

    An event is what `aspect` says of a note that starts nearest to one of `positions_per_bar` equal steps;
    lengths and velocities do not matter. 1 for equal bars, 0 if nothing is shared; NaN if nothing starts in
    either. Memory grows with bars squared. Raises: ValueError for bars that do not increase.
    """
    bar_starts, bar_ends = bar_spans(bar_onsets_ticks, end_ticks)
    steps = steps_of(notes, bar_starts, bar_ends, positions_per_bar)
    chosen = steps >= 0
    if aspect == Aspect.PITCH_CLASSES:
        chosen &= notes["group"] != InstrumentGroup.DRUMS
    bars, positions = np.divmod(steps[chosen], positions_per_bar)
    _, events = np.unique(positions * 1024 + _contents(notes[chosen], aspect), return_inverse=True)
    return _jaccard(bars, events, len(bar_starts))


def lag_similarity(similarities: Floats, lag_bars: int) -> float:
    """Mean similarity of bars that lie `lag_bars` apart: mean over i of S(i, i + lag).

    High at 1 where every bar is like the last, at 4 or 8 where phrases repeat. NaN without such a pair.
    Raises: ValueError for a lag below 1.
    """
    if lag_bars < 1:
        raise ValueError(f"lag_bars must be 1 or more, got {lag_bars}")
    return _mean(np.diagonal(similarities, lag_bars))


def far_similarity(similarities: Floats, *, at_least_bars: int = FAR_BARS) -> float:
    """Mean similarity of all bars at least `at_least_bars` apart: how much of one material the piece is.

    NaN without such a pair. Raises: ValueError for a distance below 1.
    """
    if at_least_bars < 1:
        raise ValueError(f"at_least_bars must be 1 or more, got {at_least_bars}")
    return _mean(similarities[np.triu_indices(len(similarities), at_least_bars)])


def return_similarity(similarities: Floats, *, at_least_bars: int = FAR_BARS) -> float:
    """How well bars are known from earlier: mean over bars of the best S with one at least so far before.

    A theme that returns counts in full however much lies between, where `far_similarity` thins it out. Bars
    in which nothing starts are left out. It rises with the length of the piece, so compare equal lengths.
    NaN without such a pair. Raises: ValueError for a distance below 1.
    """
    if at_least_bars < 1:
        raise ValueError(f"at_least_bars must be 1 or more, got {at_least_bars}")
    returning = similarities[at_least_bars:]
    is_filled = ~np.isnan(np.diagonal(similarities)[at_least_bars:])
    earlier = np.tril(np.ones_like(returning, dtype=bool))
    best = np.where(earlier, returning, 0.0).max(axis=1, initial=0.0)
    return _mean(best[is_filled])


def _contents(notes: Notes, aspect: Aspect) -> NDArray[np.int64]:
    """What is struck, as a number below 1024, shape (N,)."""
    groups, pitches = notes["group"].astype(np.int64), notes["pitch"].astype(np.int64)
    match aspect:
        case Aspect.NOTES:
            return groups * 128 + pitches
        case Aspect.RHYTHM:
            return groups
        case Aspect.PITCH_CLASSES:
            return pitches % 12


def _jaccard(bars: NDArray[np.int64], events: NDArray[np.int64], bar_count: int) -> Floats:
    """Jaccard similarity of the sets of events of all bars, shape (bar_count, bar_count)."""
    width = int(events.max(initial=0)) + 1
    bars, events = np.divmod(np.unique(bars * width + events), width)
    table = csr_array((np.ones(len(bars)), (bars, events)), shape=(bar_count, width))
    shared = (table @ table.T).toarray()
    sizes = np.diagonal(shared)
    either = sizes[:, None] + sizes[None, :] - shared
    return np.asarray(np.divide(shared, either, out=np.full_like(shared, np.nan), where=either > 0))


def _mean(values: Floats) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else np.nan
