"""Which instants of a piece could answer a scene cut.

The paper places a CHORD token before "long chords" and publishes one number, `chord_beat_threshold = 2`. Our
reading has two kinds, both of notes struck together. A note belongs to the struck notes of the one before it if it
follows within `TOGETHER_TICKS`, since played chords are never exactly simultaneous. Of the struck notes
    a long chord            holds at least three different pitches for two beats,
    a structural downbeat   holds the bass for two beats, begins a bar with a new harmony and has three pitches.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emsync.types import Floats, InstrumentGroup, Notes, Ticks

TOGETHER_TICKS = 5
HELD_BEATS = 2.0
HELD_TOLERANCE = 0.85
CHORD_PITCHES = 3
HARMONY_KEPT = 0.6
NO_BARS: Ticks = np.zeros(0, np.int64)


def chord_onsets(notes: Notes, beat_onsets_ticks: Ticks, *, bar_onsets_ticks: Ticks = NO_BARS) -> Ticks:
    """Onsets of long chords and structural downbeats, strictly increasing, each its earliest struck note's.

    Args:
        notes: sorted by onset.
        beat_onsets_ticks: strictly increasing, at least two; times outside are extrapolated by the first
            and last beat's length.
        bar_onsets_ticks: strictly increasing; without bars there are only long chords.
    Source: arXiv:2502.10154 (`chord_beat_threshold`); all else is ours. A note released up to 15 % early
        still counts as held, because players lift before the next one.
    """
    pitched = notes[notes["group"] != InstrumentGroup.DRUMS]
    if not len(pitched):
        return np.zeros(0, np.int64)
    onset = pitched["onset_ticks"].astype(np.int64)
    held_beats = beats_at(onset + pitched["duration_ticks"], beat_onsets_ticks) - beats_at(
        onset, beat_onsets_ticks
    )
    is_held = held_beats >= HELD_BEATS * HELD_TOLERANCE
    struck = np.cumsum(np.diff(onset, prepend=onset[0]) > TOGETHER_TICKS)
    answers = _has_chord_pitches(pitched, struck, is_held)
    if len(bar_onsets_ticks):
        downbeats = _new_bass_at_bars(pitched, struck, is_held, bar_onsets_ticks)
        answers |= downbeats & _has_chord_pitches(pitched, struck, np.ones(len(pitched), bool))
    return np.asarray(onset[_firsts(struck)][answers])


def harmony_changes(pitched: Notes, bar_onsets_ticks: Ticks) -> NDArray[np.bool_]:
    """Whether each bar's harmony differs clearly from the bar before, shape of `bar_onsets_ticks`.

    A bar's harmony is how its sounding time is shared out among the twelve pitch classes. It is new where at most
    `HARMONY_KEPT` of it is common to both bars; after silence, and at the beginning, it always is.
    """
    ends = pitched["onset_ticks"] + pitched["duration_ticks"]
    lines = np.append(bar_onsets_ticks, max(int(ends.max(initial=0)), int(bar_onsets_ticks[-1]) + 1))
    sounding = np.diff(_sounded_until(pitched, lines), axis=0, prepend=0)  # (bars + 1, 12), ticks
    shares = sounding / np.maximum(sounding.sum(axis=1, keepdims=True), 1)
    return np.asarray(np.minimum(shares[1:], shares[:-1]).sum(axis=1) <= HARMONY_KEPT)


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


def _firsts(struck: Ticks) -> Ticks:
    """Index of the first note of each struck set."""
    return np.flatnonzero(np.diff(struck, prepend=-1))


def _has_chord_pitches(pitched: Notes, struck: Ticks, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether each struck set has enough different pitches among its chosen notes, shape (S,)."""
    distinct = np.unique(struck[chosen] * 128 + pitched["pitch"][chosen])
    return np.bincount(distinct // 128, minlength=int(struck[-1]) + 1) >= CHORD_PITCHES


def _new_bass_at_bars(
    pitched: Notes, struck: Ticks, is_held: NDArray[np.bool_], bar_onsets_ticks: Ticks
) -> NDArray[np.bool_]:
    """Whether each struck set has a held bass note at a bar line with a new harmony, shape (S,)."""
    onset = pitched["onset_ticks"].astype(np.int64)
    bar = np.searchsorted(bar_onsets_ticks, onset - TOGETHER_TICKS)
    bar_ticks = np.append(bar_onsets_ticks, np.iinfo(np.int64).max)[bar]
    is_new = np.append(harmony_changes(pitched, bar_onsets_ticks), False)[bar]
    lowest = np.minimum.reduceat(pitched["pitch"], _firsts(struck))
    is_bass = is_held & (pitched["pitch"] == lowest[struck])
    places = np.unique(struck[is_bass & is_new & (bar_ticks <= onset + TOGETHER_TICKS)])
    places = places[_lowest_of_earlier(pitched, struck, places) >= lowest[places]]
    found = np.zeros(int(struck[-1]) + 1, bool)
    found[places] = True
    return found


def _lowest_of_earlier(pitched: Notes, struck: Ticks, places: Ticks) -> Ticks:
    """Lowest pitch that was struck earlier and still sounds at the struck sets `places`; 128 if none does.

    What ends within `TOGETHER_TICKS` does not sound any more.
    """
    begin_ticks = pitched["onset_ticks"].astype(np.int64)[_firsts(struck)][places]
    ends = pitched["onset_ticks"] + pitched["duration_ticks"] - TOGETHER_TICKS
    first, stop = np.searchsorted(places, struck, side="right"), np.searchsorted(begin_ticks, ends)
    sounds = first < stop
    changes = np.zeros((len(places) + 1, 129), np.int64)
    np.add.at(changes, (first[sounds], pitched["pitch"][sounds]), 1)
    np.add.at(changes, (stop[sounds], pitched["pitch"][sounds]), -1)
    sounding = np.cumsum(changes, axis=0)[:-1] > 0
    sounding[:, 128] = True
    return np.asarray(np.argmax(sounding, axis=1))


def _sounded_until(pitched: Notes, lines_ticks: Ticks) -> Floats:
    """How long each pitch class has sounded in all until each line, in ticks, shape (len(lines), 12)."""
    onset = pitched["onset_ticks"].astype(np.int64)
    times = np.concatenate((onset, onset + pitched["duration_ticks"]))
    signs = np.repeat((1.0, -1.0), len(onset))
    cells = np.searchsorted(lines_ticks, times) * 12 + np.tile(pitched["pitch"] % 12, 2)
    shape = (len(lines_ticks) + 1, 12)
    size = shape[0] * shape[1]
    begun = np.bincount(cells, signs, size).reshape(shape).cumsum(axis=0)[:-1]
    moments = np.bincount(cells, signs * times, size).reshape(shape).cumsum(axis=0)[:-1]
    return np.asarray(lines_ticks[:, None] * begun - moments)
