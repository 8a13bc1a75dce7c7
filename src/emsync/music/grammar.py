"""Which tokens may come next, so that invalid music cannot be written.

At one instant tokens follow the order of the tokenizer (OFF, BAR, CHORD, then ON upwards), so an instant ends
after finitely many tokens; time only moves forward and never past the end, so every piece ends.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emsync.music.chords import CHORD_PITCHES
from emsync.music.vocabulary import LONGEST_SHIFT_TICKS, PITCHES, Vocabulary
from emsync.types import TICKS_PER_S, InstrumentGroup

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Limits:
    """What no human score needs more of."""

    voices_per_group: int = 8
    voices: int = 20
    longest_note_ticks: int = 12 * TICKS_PER_S
    shortest_bar_ticks: int = TICKS_PER_S * 3 // 4


class Grammar:
    """The state of a piece being written: what sounds, how late it is, what the instant already holds.

    `now_ticks` is the time of the music so far. `allowed` looks, `accept` moves on.
    """

    def __init__(self, vocabulary: Vocabulary, *, end_ticks: int, limits: Limits | None = None) -> None:
        if vocabulary.on.size != len(InstrumentGroup) * PITCHES:
            raise ValueError(f"vocabulary {vocabulary.name!r} has an unknown set of ON tokens")
        self.vocabulary, self.end_ticks, self.limits = vocabulary, end_ticks, limits or Limits()
        self.now_ticks = 0
        self._onset_ticks = np.full(vocabulary.on.size, -1, np.int64)
        self._has_off = np.isin(
            np.arange(vocabulary.on.size) // PITCHES, [int(g) for g in vocabulary.off_groups]
        )
        offs = range(vocabulary.off.first, vocabulary.off.stop)
        self._on_of_off = np.array([vocabulary.on_of_off(token) for token in offs]) - vocabulary.on.first
        self._pitched = np.arange(vocabulary.on.size) >= PITCHES * (InstrumentGroup.DRUMS + 1)
        self._last_bar_ticks = -(10**9)
        self._last_token = -1
        self._last_shift_ticks = LONGEST_SHIFT_TICKS
        self._chord_notes_due = 0

    @property
    def chord_is_due(self) -> bool:
        """A CHORD was announced and not all its notes are struck."""
        return self._chord_notes_due > 0

    @property
    def sounding(self) -> Mask:
        """Notes that sound now, by ON token counted from the first, shape (440,)."""
        return self._onset_ticks >= 0

    def allowed(self, *, chord_required: bool = False) -> Mask:
        """True at every token that may come next, shape (V,).

        Args:
            chord_required: a boundary lies on this instant: no note and no step before its CHORD. At the
                beginning of an instant there is always something allowed: with every voice taken, an OFF.
        """
        vocabulary = self.vocabulary
        mask = np.zeros(vocabulary.size, bool)
        ons = self._allowed_ons()
        if self._chord_notes_due:
            self._allow_chord_notes(mask, ons)
            return mask
        overdue = self._overdue()
        mask[vocabulary.off.first : vocabulary.off.stop] = self._allowed_offs()
        if overdue.any():
            mask[vocabulary.off.first : vocabulary.off.stop] &= overdue[self._on_of_off]
            if mask.any():
                return mask
        has_room = self._has_room_for_chord(ons)
        if self._rank(self._last_token) < 2 and (has_room or not chord_required):
            bar_is_due = self.now_ticks - self._last_bar_ticks >= self.limits.shortest_bar_ticks
            mask[vocabulary.special("BAR")] = bar_is_due
        if self._rank(self._last_token) < 3:
            mask[vocabulary.special("CHORD")] = has_room
        if chord_required:
            return mask
        mask[vocabulary.on.first : vocabulary.on.stop] = ons
        self._allow_shifts(mask)
        return mask

    def accept(self, token: int) -> None:
        """Take a token into the piece. The caller has looked at `allowed` before."""
        vocabulary = self.vocabulary
        if token in vocabulary.time_shift:
            self._last_shift_ticks = token - vocabulary.time_shift.first + 1
            self.now_ticks += self._last_shift_ticks
        elif token in vocabulary.on:
            index = token - vocabulary.on.first
            self._onset_ticks[index] = self.now_ticks if self._has_off[index] else -1
            self._chord_notes_due -= bool(self._chord_notes_due and self._pitched[index])
        elif token in vocabulary.off:
            self._onset_ticks[vocabulary.on_of_off(token) - vocabulary.on.first] = -1
        elif token == vocabulary.special("BAR"):
            self._last_bar_ticks = self.now_ticks
        elif token == vocabulary.special("CHORD"):
            self._chord_notes_due = CHORD_PITCHES
        self._last_token = token

    def release_all(self) -> list[int]:
        """OFF tokens that end everything that sounds, in order."""
        sounding = self.sounding[self._on_of_off]
        return [self.vocabulary.off.first + int(place) for place in np.flatnonzero(sounding)]

    def _rank(self, token: int) -> int:
        """Place of a token's kind in the order of one instant; a time shift opens a new one."""
        vocabulary = self.vocabulary
        if token in vocabulary.on:
            return 4
        if token in vocabulary.off:
            return 1
        if token < 0 or token in vocabulary.time_shift or token == vocabulary.special("START"):
            return 0
        return 2 if token == vocabulary.special("BAR") else 3

    def _allowed_ons(self) -> Mask:
        """ON tokens after the last of this instant, not sounding, within the polyphony bounds."""
        sounding = self.sounding
        voices = sounding.reshape(-1, PITCHES).sum(axis=1)
        full = np.repeat(voices >= self.limits.voices_per_group, PITCHES)
        ons = ~sounding & ~full
        if voices.sum() >= self.limits.voices:
            ons &= ~self._has_off
        if self._last_token in self.vocabulary.on:
            ons[: self._last_token - self.vocabulary.on.first + 1] = False
        return ons if self.now_ticks < self.end_ticks else np.zeros_like(ons)

    def _allowed_offs(self) -> Mask:
        """OFF tokens of sounding notes, only at the beginning of an instant."""
        if self._rank(self._last_token) > 1:
            return np.zeros(self.vocabulary.off.size, bool)
        return np.asarray(self.sounding[self._on_of_off])

    def _overdue(self) -> Mask:
        """Notes that have sounded for as long as a note may, shape (440,)."""
        return self.sounding & (self.now_ticks - self._onset_ticks >= self.limits.longest_note_ticks)

    def _has_room_for_chord(self, ons: Mask) -> bool:
        free_voices = self.limits.voices - int(self.sounding.sum())
        return free_voices >= CHORD_PITCHES and int((ons & self._pitched).sum()) >= CHORD_PITCHES

    def _allow_chord_notes(self, mask: Mask, ons: Mask) -> None:
        """Pitched notes of a chord; never so high that too few are left above for the rest of it."""
        candidates = ons & self._pitched
        left_from_here = np.cumsum(candidates[::-1])[::-1]
        drums = ons & ~self._pitched
        struck = (candidates & (left_from_here >= self._chord_notes_due)) | drums
        mask[self.vocabulary.on.first : self.vocabulary.on.stop] = struck

    def _allow_shifts(self, mask: Mask) -> None:
        """Time shifts up to the end; after a shift only if that was the longest, as the tokenizer writes."""
        shift = self.vocabulary.time_shift
        if self._last_token in shift and self._last_shift_ticks < LONGEST_SHIFT_TICKS:
            return
        room = min(self.end_ticks - self.now_ticks, LONGEST_SHIFT_TICKS)
        mask[shift.first : shift.first + room] = True
