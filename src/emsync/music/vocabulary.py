"""The vocabulary, declared as ranges: a musical event is a token, a token is an integer.

    PAD START END BAR CHORD | TIME_SHIFT 1..125 ticks | ON 5 groups x 88 pitches | OFF 4 groups x 88 pitches
      | ON soft 5 x 88 | ON loud 5 x 88

It is the paper's (arXiv:2502.10154) with four changes. END lets a piece end by itself. Drums have no OFF: a
drum hit rings out whatever its length, which saves a token in five on band music. An ON says how its note is
struck, soft, normal or loud, which costs no token at all. LESS_INSTRUMENTS and MORE_INSTRUMENTS are gone: which
groups play is a condition. `PAPER` keeps the original 1011 tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import overload

import numpy as np
from numpy.typing import NDArray

from emsync.types import InstrumentGroup

LOWEST_PITCH = 21
HIGHEST_PITCH = 108
PITCHES = HIGHEST_PITCH - LOWEST_PITCH + 1
LONGEST_SHIFT_TICKS = 125

PITCHED_GROUPS = (
    InstrumentGroup.BASS,
    InstrumentGroup.GUITAR,
    InstrumentGroup.PIANO,
    InstrumentGroup.STRINGS,
)
ALL_GROUPS = (InstrumentGroup.DRUMS, *PITCHED_GROUPS)
NOTE_COUNT = len(ALL_GROUPS) * PITCHES
"""Notes that can be struck: every pitch of every group, numbered group by group."""


@dataclass(frozen=True)
class TokenRange:
    """Tokens `first` up to but not including `stop`."""

    first: int
    size: int

    @property
    def stop(self) -> int:
        """One past the last token of the range."""
        return self.first + self.size

    def __contains__(self, token: int) -> bool:
        return self.first <= token < self.stop

    def holds(self, tokens: NDArray[np.int64]) -> NDArray[np.bool_]:
        """True at each token of the range, shape of `tokens`."""
        return (tokens >= self.first) & (tokens < self.stop)


@dataclass(frozen=True)
class Vocabulary:
    """Where each kind of event lies. `specials` names the single tokens in order, from 0.

    With `has_velocity` every note has two more ON tokens, behind all others: one soft, one loud.
    """

    name: str
    specials: tuple[str, ...]
    off_groups: tuple[InstrumentGroup, ...]
    has_velocity: bool = False

    def special(self, name: str) -> int:
        """The token of a single event. Raises ValueError if this vocabulary lacks it."""
        if name not in self.specials:
            raise ValueError(f"vocabulary {self.name!r} has no {name} token, only {', '.join(self.specials)}")
        return self.specials.index(name)

    @cached_property
    def time_shift(self) -> TokenRange:
        """TIME_SHIFT of n ticks is `time_shift.first + n - 1`, n in 1..125."""
        return TokenRange(len(self.specials), LONGEST_SHIFT_TICKS)

    @cached_property
    def on(self) -> TokenRange:
        """ON, struck normally, of every group and pitch, group by group in the order of `InstrumentGroup`."""
        return TokenRange(self.time_shift.stop, NOTE_COUNT)

    @cached_property
    def off(self) -> TokenRange:
        """OFF of every group in `off_groups` and pitch."""
        return TokenRange(self.on.stop, len(self.off_groups) * PITCHES)

    @cached_property
    def ons(self) -> tuple[TokenRange, ...]:
        """The ON tokens by how hard the note is struck: normal and, where there is velocity, soft and loud."""
        softer_and_louder = (
            TokenRange(self.off.stop, NOTE_COUNT),
            TokenRange(self.off.stop + NOTE_COUNT, NOTE_COUNT),
        )
        return (self.on, *(softer_and_louder if self.has_velocity else ()))

    @cached_property
    def size(self) -> int:
        """Number of tokens."""
        return self.ons[-1].stop if self.has_velocity else self.off.stop

    def shift_token(self, ticks: int) -> int:
        """TIME_SHIFT of 1..125 ticks."""
        if not 1 <= ticks <= LONGEST_SHIFT_TICKS:
            raise ValueError(f"a time shift spans 1 to {LONGEST_SHIFT_TICKS} ticks, not {ticks}")
        return self.time_shift.first + ticks - 1

    def on_token(self, group: InstrumentGroup, pitch: int) -> int:
        """ON of a pitch, 21..108, in a group."""
        return self.on.first + int(group) * PITCHES + _pitch_index(pitch)

    def off_token(self, group: InstrumentGroup, pitch: int) -> int:
        """OFF of a pitch, 21..108, in a group that has OFF tokens."""
        if group not in self.off_groups:
            raise ValueError(f"vocabulary {self.name!r} has no OFF for {group.name}")
        return self.off.first + self.off_groups.index(group) * PITCHES + _pitch_index(pitch)

    @cached_property
    def _notes(self) -> NDArray[np.int64]:
        """Note of every token, shape (size,): of an ON or an OFF its number, else -1."""
        notes = np.full(self.size, -1, np.int64)
        for on in self.ons:
            notes[on.first : on.stop] = np.arange(NOTE_COUNT)
        for lane, group in enumerate(self.off_groups):
            first = self.off.first + lane * PITCHES
            notes[first : first + PITCHES] = int(group) * PITCHES + np.arange(PITCHES)
        return notes

    @cached_property
    def _is_on(self) -> NDArray[np.bool_]:
        """True at every ON token, shape (size,)."""
        return (self._notes >= 0) & ~self.off.holds(np.arange(self.size))

    @overload
    def notes_of(self, tokens: int) -> np.int64: ...

    @overload
    def notes_of(self, tokens: NDArray[np.int64]) -> NDArray[np.int64]: ...

    def notes_of(self, tokens: int | NDArray[np.int64]) -> np.int64 | NDArray[np.int64]:
        """The note that each ON strikes or each OFF ends, 0..`NOTE_COUNT` - 1; -1 at other tokens."""
        return self._notes[tokens]

    @overload
    def is_on(self, tokens: int) -> np.bool_: ...

    @overload
    def is_on(self, tokens: NDArray[np.int64]) -> NDArray[np.bool_]: ...

    def is_on(self, tokens: int | NDArray[np.int64]) -> np.bool_ | NDArray[np.bool_]:
        """True at each ON, however hard it is struck; shape of `tokens`."""
        return self._is_on[tokens]

    def name_of(self, token: int) -> str:
        """A token in words, for people: `ON PIANO 60`, `TIME_SHIFT 12`, `BAR`."""
        if 0 <= token < len(self.specials):
            return self.specials[token]
        if token in self.time_shift:
            return f"TIME_SHIFT {token - self.time_shift.first + 1}"
        for on, how in zip(self.ons, ("", " soft", " loud"), strict=False):
            if token in on:
                group, pitch_index = divmod(token - on.first, PITCHES)
                return f"ON {InstrumentGroup(group).name} {pitch_index + LOWEST_PITCH}{how}"
        if token in self.off:
            lane, pitch_index = divmod(token - self.off.first, PITCHES)
            return f"OFF {self.off_groups[lane].name} {pitch_index + LOWEST_PITCH}"
        raise ValueError(f"token {token} is outside 0..{self.size - 1} of vocabulary {self.name!r}")


def _pitch_index(pitch: int) -> int:
    if not LOWEST_PITCH <= pitch <= HIGHEST_PITCH:
        raise ValueError(f"pitch {pitch} is outside {LOWEST_PITCH}..{HIGHEST_PITCH}")
    return pitch - LOWEST_PITCH


EMSYNC = Vocabulary("emsync-2", ("PAD", "START", "END", "BAR", "CHORD"), PITCHED_GROUPS, has_velocity=True)
PAPER = Vocabulary(
    "paper", ("PAD", "START", "BAR", "CHORD", "LESS_INSTRUMENTS", "MORE_INSTRUMENTS"), ALL_GROUPS
)
VOCABULARIES = {vocabulary.name: vocabulary for vocabulary in (EMSYNC, PAPER)}
