"""Groups that were asked for are heard: one that has been silent for long gains, until it plays.

The network is told who plays, but nothing makes it strike a note of each; in a short stretch a group would often never
come in. Where no instruments are asked for, nothing is added.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np

from emsync.music.vocabulary import NOTE_COUNT, PITCHES, Vocabulary
from emsync.types import TICKS_PER_S, Floats, InstrumentGroup

PATIENCE_S = 2.0
"""A group may be silent for so long."""
PUSH_PER_S = 2.0
"""Nats that its ONs gain with each second beyond."""
LARGEST_PUSH = 10.0


class PresenceShaping:
    """Hears who plays; `asked_at` gives the groups asked for at a time in ticks, None where none are."""

    def __init__(
        self, vocabulary: Vocabulary, asked_at: Callable[[int], tuple[InstrumentGroup, ...] | None]
    ) -> None:
        self._vocabulary, self._asked_at = vocabulary, asked_at
        tokens = np.arange(vocabulary.size)
        notes = np.clip(vocabulary.notes_of(tokens), 0, NOTE_COUNT - 1)
        groups = np.where(vocabulary.is_on(tokens), notes // PITCHES, -1)
        self._is_on_of = groups[None] == np.arange(len(InstrumentGroup))[:, None]  # (5, V)
        self._heard_ticks = np.zeros(len(InstrumentGroup))

    def copy(self) -> PresenceShaping:
        """The same state, which goes its own way from here on."""
        twin = copy.copy(self)
        twin._heard_ticks = self._heard_ticks.copy()
        return twin

    def accept(self, token: int, now_ticks: int) -> None:
        """Hear a token; a group that is not asked for is not waited for."""
        self._heard_ticks[self._is_on_of[:, token]] = now_ticks
        if token in self._vocabulary.time_shift:
            asked = [int(group) for group in self._asked_at(now_ticks) or ()]
            self._heard_ticks[~np.isin(np.arange(len(InstrumentGroup)), asked)] = now_ticks

    def bias(self, now_ticks: int) -> Floats | None:
        """What is added to the logits, shape (V,): 0 or more at ONs of groups that are waited for; None without any."""
        asked = [int(group) for group in self._asked_at(now_ticks) or ()]
        if not asked:
            return None
        silent_s = (now_ticks - self._heard_ticks[asked]) / TICKS_PER_S
        push = np.clip(PUSH_PER_S * (silent_s - PATIENCE_S), 0.0, LARGEST_PUSH)
        return np.asarray(push @ self._is_on_of[asked])
