"""Events that a score must have at their times, whatever the network would choose.

At one instant events keep the order of the tokenizer. The network is asked as ever; what it chose gives way to a
forced event that does not come later in that order. What the grammar forbids when its time has come is left out; but
a forced note is struck even if every voice is taken.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from emsync.music.grammar import Grammar, Mask
from emsync.music.vocabulary import NOTE_COUNT, Vocabulary
from emsync.types import Ticks


@dataclass(frozen=True)
class ForcedEvent:
    """A token, not a time shift, and the time of the music at which it must come."""

    ticks: int
    token: int


@dataclass(frozen=True)
class ForcedEvents:
    """The forced events that are still to come, in the order in which they are played; make one with `of`."""

    vocabulary: Vocabulary
    events: tuple[ForcedEvent, ...] = ()

    @classmethod
    def of(cls, vocabulary: Vocabulary, events: Iterable[ForcedEvent]) -> ForcedEvents:
        """Put events in order. Raises ValueError for a time shift: time moves by itself."""
        events = tuple(events)
        if any(event.token in vocabulary.time_shift for event in events):
            raise ValueError("a time shift cannot be forced, only an event and its time")
        ordered = sorted(events, key=lambda event: (event.ticks, *_order(vocabulary, event.token)))
        return cls(vocabulary, tuple(ordered))

    def joined_by(self, events: Iterable[ForcedEvent]) -> ForcedEvents:
        """These and more."""
        return ForcedEvents.of(self.vocabulary, (*self.events, *events))

    def next_after(self, now_ticks: int) -> int | None:
        """The time of the next event later than `now_ticks`: no time shift may pass it."""
        return next((event.ticks for event in self.events if event.ticks > now_ticks), None)

    def held(self, now_ticks: int) -> Mask:
        """Notes of which the next forced event is an OFF later than now: not the network's to release, shape (440,)."""
        return np.asarray(self._off_ticks > now_ticks)

    def instead_of(self, chosen: int, grammar: Grammar, allowed: Mask) -> int:
        """The forced event whose turn it is, or what was chosen.

        A note that sounds and is to be struck now is released first.

        Args:
            chosen: what the network would do next.
            allowed: what the grammar allows now, shape (V,).
        """
        due = [event.token for event in self.events if event.ticks == grammar.now_ticks]
        if not due:
            return chosen
        for release in self._releases(due, grammar):
            if allowed[release]:
                return release
        order = _order(self.vocabulary, chosen)
        ons_and_shifts = self.vocabulary.is_on(np.arange(len(allowed)))
        ons_and_shifts[self.vocabulary.time_shift.first : self.vocabulary.time_shift.stop] = True
        is_free = bool(allowed[ons_and_shifts].any())  # no BAR, CHORD or OFF must come before
        for token in due:
            if order < _order(self.vocabulary, token):
                return chosen
            if allowed[token] or (is_free and grammar.may_be_forced(token)):
                return token
            if order == _order(self.vocabulary, token):
                return chosen
        return chosen

    def after(self, token: int, ticks: int, now_ticks: int) -> ForcedEvents:
        """What is left once a token was taken at `ticks` and it is `now_ticks`: not what was played or passed by."""
        if not self.events or (self.events[0].ticks > ticks and self.events[0].ticks >= now_ticks):
            return self
        played = ForcedEvent(ticks, token)
        left = tuple(event for event in self.events if event != played and event.ticks >= now_ticks)
        return ForcedEvents(self.vocabulary, left) if len(left) < len(self.events) else self

    def _releases(self, due: list[int], grammar: Grammar) -> list[int]:
        """The OFFs of notes that sound and are struck again now."""
        tokens = np.array(due, np.int64)
        struck = self.vocabulary.notes_of(tokens[self.vocabulary.is_on(tokens)])
        sounding = np.zeros(NOTE_COUNT, bool)
        sounding[struck] = grammar.sounding[struck]
        return [off for off in grammar.release_all() if sounding[self.vocabulary.notes_of(np.array(off))]]

    @cached_property
    def _off_ticks(self) -> Ticks:
        """When each note is released, if that is the next that happens to it, else -1; shape (440,)."""
        ticks = np.full(NOTE_COUNT, -1, np.int64)
        for event in reversed(self.events):
            note = int(self.vocabulary.notes_of(np.array(event.token)))
            if note >= 0:
                ticks[note] = event.ticks if event.token in self.vocabulary.off else -1
        return ticks


def _order(vocabulary: Vocabulary, token: int) -> tuple[int, int]:
    """Place in the order of one instant: OFF, BAR, CHORD, ON by note; a time shift ends it. All OFFs are equal."""
    note = int(vocabulary.notes_of(token))
    if token in vocabulary.off:
        return 0, 0
    if token in vocabulary.time_shift:
        return 4, 0
    if note >= 0:
        return 3, note
    return (1 if token == vocabulary.special("BAR") else 2), 0
