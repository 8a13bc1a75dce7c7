"""The vocabulary, declared as ranges: a musical event is a token, a token is an integer.

    PAD START END BAR CHORD | TIME_SHIFT 1..125 ticks | ON 5 groups x 88 pitches | OFF 4 groups x 88 pitches

It is the paper's (arXiv:2502.10154) with three changes. END lets a piece end by itself. Drums have no OFF: a
drum hit rings out whatever its length, which saves a token in five on band music. LESS_INSTRUMENTS and
MORE_INSTRUMENTS are gone. `PAPER` keeps the original 1011 tokens.
"""

from __future__ import annotations

from dataclasses import dataclass

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
    """Where each kind of event lies. `specials` names the single tokens in order, from 0."""

    name: str
    specials: tuple[str, ...]
    off_groups: tuple[InstrumentGroup, ...]

    def special(self, name: str) -> int:
        """The token of a single event. Raises ValueError if this vocabulary lacks it."""
        if name not in self.specials:
            raise ValueError(f"vocabulary {self.name!r} has no {name} token, only {', '.join(self.specials)}")
        return self.specials.index(name)

    @property
    def time_shift(self) -> TokenRange:
        """TIME_SHIFT of n ticks is `time_shift.first + n - 1`, n in 1..125."""
        return TokenRange(len(self.specials), LONGEST_SHIFT_TICKS)

    @property
    def on(self) -> TokenRange:
        """ON of every group and pitch, group by group in the order of `InstrumentGroup`."""
        return TokenRange(self.time_shift.stop, len(ALL_GROUPS) * PITCHES)

    @property
    def off(self) -> TokenRange:
        """OFF of every group in `off_groups` and pitch."""
        return TokenRange(self.on.stop, len(self.off_groups) * PITCHES)

    @property
    def size(self) -> int:
        """Number of tokens."""
        return self.off.stop

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

    def started_by(self, tokens: NDArray[np.int64]) -> NDArray[np.int64]:
        """`tokens` with the ON in place of every OFF that ends it; shape unchanged, other tokens as they are."""
        groups = np.array(self.off_groups, np.int64)
        lanes, pitch_indices = np.divmod(tokens - self.off.first, PITCHES)
        ons = self.on.first + groups[np.clip(lanes, 0, len(groups) - 1)] * PITCHES + pitch_indices
        return np.where(self.off.holds(tokens), ons, tokens)

    def name_of(self, token: int) -> str:
        """A token in words, for people: `ON PIANO 60`, `TIME_SHIFT 12`, `BAR`."""
        if 0 <= token < len(self.specials):
            return self.specials[token]
        if token in self.time_shift:
            return f"TIME_SHIFT {token - self.time_shift.first + 1}"
        if token in self.on:
            group, pitch_index = divmod(token - self.on.first, PITCHES)
            return f"ON {InstrumentGroup(group).name} {pitch_index + LOWEST_PITCH}"
        if token in self.off:
            lane, pitch_index = divmod(token - self.off.first, PITCHES)
            return f"OFF {self.off_groups[lane].name} {pitch_index + LOWEST_PITCH}"
        raise ValueError(f"token {token} is outside 0..{self.size - 1} of vocabulary {self.name!r}")


def _pitch_index(pitch: int) -> int:
    if not LOWEST_PITCH <= pitch <= HIGHEST_PITCH:
        raise ValueError(f"pitch {pitch} is outside {LOWEST_PITCH}..{HIGHEST_PITCH}")
    return pitch - LOWEST_PITCH


EMSYNC = Vocabulary("emsync-1", ("PAD", "START", "END", "BAR", "CHORD"), PITCHED_GROUPS)
PAPER = Vocabulary(
    "paper", ("PAD", "START", "BAR", "CHORD", "LESS_INSTRUMENTS", "MORE_INSTRUMENTS"), ALL_GROUPS
)
VOCABULARIES = {vocabulary.name: vocabulary for vocabulary in (EMSYNC, PAPER)}
