"""What the user asks of the music at every time: the options first, then each direction of the cue sheet."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

from emsync.control import Key, checked_density
from emsync.music.bar_plan import check_tempo
from emsync.options import ComposeOptions
from emsync.types import TICKS_PER_S, CueSheet, Direction, InstrumentGroup


@dataclass(frozen=True)
class Asked:
    """What is asked at one time; None is left to the film and the network."""

    instruments: tuple[InstrumentGroup, ...] | None = None
    tempo_bpm: float | None = None
    key: Key | None = None
    density: float | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for what cannot be played."""
        if self.instruments is not None and not set(self.instruments) - {InstrumentGroup.DRUMS}:
            raise ValueError("at least one group with pitches must play")
        if self.tempo_bpm is not None:
            check_tempo(self.tempo_bpm)
        if self.density is not None:
            checked_density(self.density)

    def then(self, direction: Direction) -> Asked:
        """What is asked once a direction is in force: what it names is new, the rest stays."""
        named = {
            name: value for name, value in vars(direction).items() if name != "time_s" and value is not None
        }
        return replace(self, **named)

    @cached_property
    def groups(self) -> frozenset[InstrumentGroup]:
        """Who may play."""
        return frozenset(InstrumentGroup if self.instruments is None else self.instruments)


@dataclass(frozen=True)
class DirectionPlan:
    """`asked[n]` is in force from `begins_ticks[n]`, the first of them 0, until the next begins."""

    begins_ticks: tuple[int, ...]
    asked: tuple[Asked, ...]

    @classmethod
    def of(cls, cue_sheet: CueSheet, options: ComposeOptions) -> DirectionPlan:
        """Of two directions on one tick the later counts. Raises: ValueError if their times do not rise."""
        times_s = [direction.time_s for direction in cue_sheet.directions]
        if any(later <= earlier for earlier, later in pairwise(times_s)):
            raise ValueError(f"directions must be strictly increasing in time, got {times_s}")
        first = Asked(options.instruments, options.tempo_bpm, options.key, options.density)
        begins, asked = [0], [first]
        for direction in cue_sheet.directions:
            begins.append(round(direction.time_s * TICKS_PER_S))
            asked.append(asked[-1].then(direction))
        return cls(tuple(begins), tuple(asked))

    def at(self, now_ticks: int) -> Asked:
        """What is asked at a time of the music."""
        return self.asked[bisect_right(self.begins_ticks, now_ticks) - 1]

    def next_after(self, now_ticks: int) -> int | None:
        """When a later direction begins, if there is one."""
        return next((begin for begin in self.begins_ticks if begin > now_ticks), None)
