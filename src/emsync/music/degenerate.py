"""What makes a piece unusable, however likely the network found it: patterns that human songs hardly show.

Networks that write one token after another fall into loops or wander off (Holtzman et al. 2020, "The curious case of
neural text degeneration"). Each pattern is one number with a limit; `docs/composing.md` says how many human songs and
composed pieces lie beyond it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emsync import metrics
from emsync.types import TICKS_PER_S, InstrumentGroup, Notes, Ticks

STORM_WINDOW_S = 4.0
LONGEST_NOTE_TICKS = 4 * TICKS_PER_S
"""As long as the grammar lets a note sound (`grammar.Limits`)."""
FEW_NOTES = 8
"""Shares of fewer notes than these say nothing."""


@dataclass(frozen=True)
class Music:
    """What is looked at: notes sorted by onset, onsets of bars (strictly increasing), and where the music ends."""

    notes: Notes
    bar_onsets_ticks: Ticks
    end_ticks: int

    @property
    def pitched(self) -> Notes:
        """Every note but the drums'."""
        return np.asarray(self.notes[self.notes["group"] != InstrumentGroup.DRUMS])


@dataclass(frozen=True)
class Pattern:
    """A number of a piece, the largest that is allowed, and how to tell a person that it is exceeded."""

    name: str
    measure: Callable[[Music], float]
    limit: float
    words: str


@dataclass(frozen=True)
class Fault:
    """A pattern found in a piece. `excess` is its number over the limit, above 1."""

    name: str
    words: str
    excess: float


def faults(music: Music) -> tuple[Fault, ...]:
    """Every pattern of `PATTERNS` whose limit the music exceeds."""
    found = []
    for pattern in PATTERNS:
        value = pattern.measure(music)
        if value > pattern.limit:
            words = pattern.words.format(value=value, limit=pattern.limit)
            found.append(Fault(pattern.name, words, value / pattern.limit))
    return tuple(found)


def same_bar_in_a_row(music: Music) -> float:
    """Most bars on end that strike the same pitches of the same groups at the same sixteenths; 0 without a bar.

    Bars in which nothing is struck end a row: they are silence or one held chord.
    """
    starts, ends = metrics.bar_spans(music.bar_onsets_ticks, music.end_ticks)
    steps = metrics.steps_of(music.notes, starts, ends, metrics.POSITIONS_PER_BAR)
    notes, steps = music.notes[steps >= 0], steps[steps >= 0]
    columns = (*np.divmod(steps, metrics.POSITIONS_PER_BAR), notes["group"], notes["pitch"])
    struck = np.unique(np.stack(columns, axis=1), axis=0)
    bars, firsts = np.unique(struck[:, 0], return_index=True)
    contents = dict(zip(bars.tolist(), np.split(struck[:, 1:], firsts[1:]), strict=True)) if len(bars) else {}
    longest = row = 0
    for bar, content in contents.items():
        row = row + 1 if bar - 1 in contents and np.array_equal(contents[bar - 1], content) else 1
        longest = max(longest, row)
    return float(longest)


def longest_silence_s(music: Music) -> float:
    """Longest stretch in which nothing sounds, in seconds."""
    return metrics.longest_silence_s(music.notes, music.end_ticks)


def empty_bar_share(music: Music) -> float:
    """Share of bars in which nothing sounds; 0 without a bar."""
    return float(np.nan_to_num(metrics.empty_bar_rate(music.notes, music.bar_onsets_ticks, music.end_ticks)))


def densest_notes_per_s(music: Music) -> float:
    """Notes a second, drums included, in the densest `STORM_WINDOW_S` seconds."""
    onsets = np.sort(music.notes["onset_ticks"].astype(np.int64))
    after = np.searchsorted(onsets, onsets + round(STORM_WINDOW_S * TICKS_PER_S))
    return float((after - np.arange(len(onsets))).max(initial=0)) / STORM_WINDOW_S


def drums_alone_s(music: Music) -> float:
    """Longest stretch without a sounding pitch in which drums are struck, in seconds."""
    drums = np.sort(music.notes["onset_ticks"][music.notes["group"] == InstrumentGroup.DRUMS])
    gap_starts, gap_ends = _gaps(music.pitched, music.end_ticks)
    struck = np.searchsorted(drums, gap_ends) > np.searchsorted(drums, gap_starts)
    return float((gap_ends - gap_starts)[struck].max(initial=0)) / TICKS_PER_S


def one_group_alone_s(music: Music) -> float:
    """Longest stretch in which a band's notes are all struck by one group, in seconds; 0 if only one ever plays."""
    groups = music.notes["group"]
    if len(np.unique(groups)) < 2:
        return 0.0
    onsets = music.notes["onset_ticks"].astype(np.int64)
    changes = np.flatnonzero(np.diff(groups, prepend=255))
    starts = onsets[changes]
    return float(np.diff(starts, append=music.end_ticks).max()) / TICKS_PER_S


def held_share(music: Music) -> float:
    """Share of pitched notes that sound as long as a note may, the last chord left out; 0 for a few notes."""
    pitched = music.pitched
    pitched = pitched[pitched["onset_ticks"] < pitched["onset_ticks"].max(initial=0)]
    if len(pitched) < FEW_NOTES:
        return 0.0
    return float(np.mean(pitched["duration_ticks"] >= LONGEST_NOTE_TICKS))


def _gaps(notes: Notes, end_ticks: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Starts and ends of the stretches in which none of the notes sounds; some may be empty."""
    onsets = notes["onset_ticks"].astype(np.int64)
    sounding_until = np.maximum.accumulate(np.insert(onsets + notes["duration_ticks"], 0, 0))
    return sounding_until, np.maximum(np.append(onsets, end_ticks), sounding_until)


PATTERNS = (
    Pattern("stuck", same_bar_in_a_row, 3, "the same bar {value:.0f} times on end"),
    Pattern("silence", longest_silence_s, 2.5, "{value:.1f} s of silence"),
    Pattern("empty bars", empty_bar_share, 0.15, "{value:.0%} of its bars empty"),
    Pattern("note storm", densest_notes_per_s, 40, "a storm of {value:.0f} notes a second"),
    Pattern("drums alone", drums_alone_s, 4, "drums alone for {value:.1f} s"),
    Pattern("one group alone", one_group_alone_s, 12, "one group alone for {value:.1f} s"),
    Pattern("held notes", held_share, 0.4, "{value:.0%} of its notes held for as long as a note may be"),
)
"""Limits: see `docs/composing.md`."""
