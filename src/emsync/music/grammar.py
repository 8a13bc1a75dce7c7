"""Which tokens may come next, so that invalid music cannot be written.

At one instant tokens follow the order of the tokenizer (OFF, BAR, CHORD, then ON upwards), so an instant ends
after finitely many tokens; time only moves forward and never past the end, so every piece ends.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emsync.music.chords import CHORD_PITCHES
from emsync.music.vocabulary import LONGEST_SHIFT_TICKS, NOTE_COUNT, PITCHES, Vocabulary
from emsync.types import TICKS_PER_S, InstrumentGroup

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Limits:
    """What human scores hardly ever need more of. A chord must fit into one group.

    In the training songs 99 % of bass, piano and string notes are shorter than 2.6 s. A network that forgets a note
    leaves it sounding; the limit is what ends it.
    """

    voices_per_group: int = 6
    voices: int = 14
    longest_note_ticks: int = 4 * TICKS_PER_S
    shortest_bar_ticks: int = TICKS_PER_S * 3 // 4
    shortest_chord_ticks: int = TICKS_PER_S // 2

    def __post_init__(self) -> None:
        if min(self.voices_per_group, self.voices) < CHORD_PITCHES:
            raise ValueError(f"a chord needs at least {CHORD_PITCHES} voices, got {self}")


class Grammar:
    """The state of a piece being written: what sounds, how late it is, what the instant already holds.

    `now_ticks` is the time of the music so far. `allowed` looks, `accept` moves on. `held`, shape (440,), marks
    notes that are not to be released by choice: they take no voice and are never overdue.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        *,
        end_ticks: int,
        limits: Limits | None = None,
        groups: frozenset[InstrumentGroup] = frozenset(InstrumentGroup),
        bars_are_planned: bool = False,
    ) -> None:
        """A piece of `end_ticks` in which only `groups` play.

        With `bars_are_planned` a BAR comes where the caller says `bar_required`, and nowhere else.
        """
        self.vocabulary, self.end_ticks, self.limits = vocabulary, end_ticks, limits or Limits()
        self.bars_are_planned = bars_are_planned
        self.now_ticks = 0
        self.held: Mask = np.zeros(NOTE_COUNT, bool)
        self._onset_ticks = np.full(NOTE_COUNT, -1, np.int64)
        self._chord_until_ticks = np.zeros(NOTE_COUNT, np.int64)
        self._group_of_note = group_of_note = np.arange(NOTE_COUNT) // PITCHES
        self._playing: frozenset[InstrumentGroup] | None = None
        self._has_off = np.isin(group_of_note, [int(group) for group in vocabulary.off_groups])
        self.play(groups)
        self._note_of_off = vocabulary.notes_of(np.arange(vocabulary.off.first, vocabulary.off.stop))
        self._pitched = group_of_note > InstrumentGroup.DRUMS
        self._last_bar_ticks = -(10**9)
        self._last_token = -1
        self._last_note = -1
        self._rank = 0  # of the last token
        self._last_shift_ticks = LONGEST_SHIFT_TICKS
        self._chord_pitches: set[int] | None = None

    def copy(self) -> Grammar:
        """The same state, which goes its own way from here on."""
        twin = copy.copy(self)
        twin._onset_ticks = self._onset_ticks.copy()
        twin._chord_until_ticks = self._chord_until_ticks.copy()
        twin._chord_pitches = None if self._chord_pitches is None else set(self._chord_pitches)
        return twin

    def play(self, groups: frozenset[InstrumentGroup]) -> None:
        """From now on only `groups` play; what others sound is released next. Raises: ValueError without pitches."""
        if groups == self._playing:
            return
        if not groups - {InstrumentGroup.DRUMS}:
            raise ValueError("at least one group with pitches must play")
        self._playing = groups
        self._plays = np.isin(self._group_of_note, [int(group) for group in groups])

    def sounds_beside(self, groups: frozenset[InstrumentGroup]) -> bool:
        """True if any other group sounds a note now that may be released."""
        others = ~np.isin(self._group_of_note, [int(group) for group in groups])
        return bool((self.sounding & ~self.held & others).any())

    @property
    def chord_is_due(self) -> bool:
        """A CHORD was announced and not all its pitches are struck."""
        return self._chord_pitches is not None

    @property
    def sounding(self) -> Mask:
        """Notes that sound now, by number of the note, shape (440,)."""
        return self._onset_ticks >= 0

    def allowed(self, *, chord_required: bool = False, bar_required: bool = False) -> Mask:
        """True at every token that may come next, shape (V,).

        Args:
            chord_required: a boundary lies on this instant: no note and no step before its CHORD. At the
                beginning of an instant there is always something allowed: with every voice taken, an OFF.
            bar_required: a planned bar line lies on this instant: nothing but OFF before its BAR.
        """
        vocabulary = self.vocabulary
        mask = np.zeros(vocabulary.size, bool)
        voices = self._voices()
        ons = self._allowed_ons(voices)
        if self._chord_pitches is not None:
            self._allow_ons(mask, self._chord_notes(ons, voices, self._chord_pitches))
            return mask
        overdue = self._overdue()
        mask[vocabulary.off.first : vocabulary.off.stop] = self._allowed_offs()
        if overdue.any():
            mask[vocabulary.off.first : vocabulary.off.stop] &= overdue[self._note_of_off]
            if mask.any():
                return mask
        has_room = self._rank < 3 and self._has_room_for_chord(ons, voices)
        if self._rank < 2 and (has_room or not chord_required):
            mask[vocabulary.special("BAR")] = self._bar_may_come(bar_required)
        if bar_required:
            return mask
        if self._rank < 3:
            mask[vocabulary.special("CHORD")] = has_room
        if chord_required:
            return mask
        self._allow_ons(mask, ons)
        self._allow_shifts(mask)
        return mask

    def chord_offs(self) -> Mask:
        """OFFs of the pitches of a CHORD that sounds for less than `shortest_chord_ticks` yet, shape (V,).

        The grammar allows them; whoever wants an announced chord to be heard leaves them out where anything else is
        allowed.
        """
        mask = np.zeros(self.vocabulary.size, bool)
        is_young = self.sounding & (self._chord_until_ticks > self.now_ticks)
        mask[self.vocabulary.off.first : self.vocabulary.off.stop] = is_young[self._note_of_off]
        return mask

    def _bar_may_come(self, bar_required: bool) -> bool:
        if self.bars_are_planned:
            return bar_required
        return self.now_ticks - self._last_bar_ticks >= self.limits.shortest_bar_ticks

    def _allow_ons(self, mask: Mask, notes: Mask) -> None:
        """Allow the ONs, however hard they are struck, of some notes."""
        for on in self.vocabulary.ons:
            mask[on.first : on.stop] = notes

    def accept(self, token: int) -> None:
        """Take a token into the piece. The caller has looked at `allowed` before."""
        vocabulary = self.vocabulary
        note = int(vocabulary.notes_of(token))
        self._last_token, self._last_note = token, note
        self._rank = self._rank_of(token, note)
        if token in vocabulary.time_shift:
            self._last_shift_ticks = token - vocabulary.time_shift.first + 1
            self.now_ticks += self._last_shift_ticks
            self._chord_pitches = (
                None  # of music played by hand, a chord's pitches may come one after another
            )
        elif token in vocabulary.off:
            self._onset_ticks[note] = -1
        elif note >= 0:
            self._onset_ticks[note] = self.now_ticks if self._has_off[note] else -1
            self._count_chord_pitch(note)
        elif token == vocabulary.special("BAR"):
            self._last_bar_ticks = self.now_ticks
        elif token == vocabulary.special("CHORD"):
            self._chord_pitches = set()

    def may_be_forced(self, token: int) -> bool:
        """Whether a token is an ON that only the number of voices forbids."""
        note = int(self.vocabulary.notes_of(token))
        if self.chord_is_due or not self.vocabulary.is_on(token):
            return False
        follows = self._rank < 4 or note > self._last_note
        return bool(
            follows and self._plays[note] and not self.sounding[note] and self.now_ticks < self.end_ticks
        )

    def release_all(self) -> list[int]:
        """OFF tokens that end everything that sounds, in order."""
        sounding = self.sounding[self._note_of_off]
        return [self.vocabulary.off.first + int(place) for place in np.flatnonzero(sounding)]

    def _rank_of(self, token: int, note: int) -> int:
        """Place of a token's kind in the order of one instant; a time shift opens a new one."""
        vocabulary = self.vocabulary
        if token in vocabulary.off:
            return 1
        if note >= 0:
            return 4
        if token in vocabulary.time_shift or token == vocabulary.special("START"):
            return 0
        return 2 if token == vocabulary.special("BAR") else 3

    def _allowed_ons(self, voices: NDArray[np.int64]) -> Mask:
        """Notes after the last of this instant, not sounding, within the polyphony bounds, shape (440,)."""
        full = np.repeat(voices >= self.limits.voices_per_group, PITCHES)
        ons = ~self.sounding & ~full & self._plays
        if voices.sum() >= self.limits.voices:
            ons &= ~self._has_off
        if self._rank == 4:
            ons[: self._last_note + 1] = False
        return ons if self.now_ticks < self.end_ticks else np.zeros_like(ons)

    def _allowed_offs(self) -> Mask:
        """OFF tokens of sounding notes, only at the beginning of an instant."""
        if self._rank > 1:
            return np.zeros(self.vocabulary.off.size, bool)
        return np.asarray((self.sounding & ~self.held)[self._note_of_off])

    def _voices(self) -> NDArray[np.int64]:
        """How many voices of each group are taken, shape (5,)."""
        taken = self._group_of_note[self.sounding & ~self.held]
        return np.bincount(taken, minlength=len(InstrumentGroup))

    def _overdue(self) -> Mask:
        """Notes that have sounded for as long as a note may, or whose group plays no more, shape (440,)."""
        is_long = self.now_ticks - self._onset_ticks >= self.limits.longest_note_ticks
        return self.sounding & ~self.held & (is_long | ~self._plays)

    def _count_chord_pitch(self, index: int) -> None:
        if self._chord_pitches is not None and self._pitched[index]:
            self._chord_until_ticks[index] = self.now_ticks + self.limits.shortest_chord_ticks
            self._chord_pitches.add(index % PITCHES)
            if len(self._chord_pitches) == CHORD_PITCHES:
                self._chord_pitches = None

    def _has_room_for_chord(self, ons: Mask, voices: NDArray[np.int64]) -> bool:
        """Whether a chord could begin now: mostly one group has both the notes and the voices, seen at a glance."""
        notes = np.bincount(self._group_of_note[ons & self._pitched], minlength=len(InstrumentGroup))
        free_voices = self.limits.voices - int(voices.sum())
        in_a_group = int(np.minimum(notes, self.limits.voices_per_group - voices).max())
        if min(in_a_group, free_voices) >= CHORD_PITCHES:
            return True
        return bool(self._chord_notes(ons, voices, set()).any())

    def _chord_notes(self, ons: Mask, voices: NDArray[np.int64], struck_pitches: set[int]) -> Mask:
        """Notes after which one group alone could still complete the chord, shape (440,).

        That is a little stricter than it need be, and enough never to end in a dead end: the group that could
        complete it before can do so after its lowest new pitch, too.
        """
        fresh = (ons & self._pitched).reshape(-1, PITCHES)  # (groups, pitches): would add a pitch
        fresh[:, list(struck_pitches)] = False
        free_voices = self.limits.voices_per_group - voices  # (groups,)
        above = fresh.sum(axis=1)[:, None] - fresh.cumsum(axis=1)  # in the same group
        in_own_group = np.minimum(above, free_voices[:, None] - 1)
        in_a_group = np.minimum(fresh.sum(axis=1) - 1, free_voices)  # the note's own pitch may be lost there
        in_later_groups = np.append(np.maximum.accumulate(in_a_group[::-1])[::-1][1:], 0)
        in_all = self.limits.voices - voices.sum() - self._has_off.reshape(-1, PITCHES)
        possible = np.minimum(np.maximum(in_own_group, in_later_groups[:, None]), in_all)
        due_after = CHORD_PITCHES - len(struck_pitches) - fresh
        return np.asarray(ons & (possible >= due_after).ravel())

    def _allow_shifts(self, mask: Mask) -> None:
        """Time shifts up to the end; after a shift only if that was the longest, as the tokenizer writes."""
        shift = self.vocabulary.time_shift
        if self._last_token in shift and self._last_shift_ticks < LONGEST_SHIFT_TICKS:
            return
        room = min(self.end_ticks - self.now_ticks, LONGEST_SHIFT_TICKS)
        mask[shift.first : shift.first + room] = True
