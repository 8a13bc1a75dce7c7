"""How many notes a second are struck, steered while they are written: a thermostat between ON and TIME_SHIFT.

What is asked for is compared with the notes of the last few seconds. Where they are too few, ONs gain and steps lose,
long steps most; where they are too many, the other way round. The push is in nats, bounded by `LARGEST_PUSH`; grammar,
boundaries and bars stay as they are, and no note is taken away. Where no density is asked for, only music denser than
a ceiling is held back, in the same way; below it the push is 0 and the music is what it would be without.
"""

from __future__ import annotations

import copy
import math
from collections import deque
from collections.abc import Callable

import numpy as np

from emsync.music.vocabulary import LONGEST_SHIFT_TICKS, Vocabulary
from emsync.types import TICK_S, TICKS_PER_S, Floats

WINDOW_S = 2.0
"""The notes of this last stretch are counted."""
LARGEST_PUSH = 8.0
"""Bound of what ONs gain or lose, in nats."""
PUSH_PER_RATIO = 2.0
"""What notes e times too few add at once, in nats."""
PUSH_PER_SHARE_AND_S = 1.0
"""What each second without any note adds, and each with twice as many as asked for takes away."""
LARGEST_EXCESS = 3.0
"""Four times as many count as much as more."""
SHIFT_TILT = 0.6
"""What a step twice as long as `MIDDLE_SHIFT_TICKS` loses of what ONs gain."""
MIDDLE_SHIFT_TICKS = 16


class DensityShaping:
    """The push of one piece; hears every token and tells what to add to the logits of the next.

    `asked_at` gives the notes a second asked for at a time in ticks, None where none are.
    """

    def __init__(
        self, vocabulary: Vocabulary, asked_at: Callable[[int], float | None], *, ceiling: float | None
    ) -> None:
        """Raises ValueError for a ceiling that is not above 0."""
        if ceiling is not None and not ceiling > 0:
            raise ValueError(f"the ceiling of density must be above 0, got {ceiling}")
        self._vocabulary, self._asked_at, self._ceiling = vocabulary, asked_at, ceiling
        self._direction = _direction(vocabulary)
        self._onsets_ticks: deque[int] = deque()
        self._kept_push = 0.0

    def copy(self) -> DensityShaping:
        """The same state, which goes its own way from here on."""
        twin = copy.copy(self)
        twin._onsets_ticks = self._onsets_ticks.copy()
        return twin

    def accept(self, token: int, now_ticks: int) -> None:
        """Hear a token after which it is `now_ticks`."""
        if token in self._vocabulary.time_shift:
            self._forget(now_ticks)
            self._keep(token - self._vocabulary.time_shift.first + 1, now_ticks)
        elif self._vocabulary.is_on(token):
            self._onsets_ticks.append(now_ticks)

    def bias(self, now_ticks: int) -> Floats | None:
        """What is added to the logits, shape (V,): 0 at all but ONs, CHORD and time shifts; None without a push."""
        push = self.push(now_ticks)
        return push * self._direction if push else None

    def push(self, now_ticks: int) -> float:
        """Nats that ONs gain now, within plus and minus `LARGEST_PUSH`; under a ceiling alone never above 0."""
        wanted, most = self._wanted(now_ticks)
        if wanted is None:
            return 0.0
        at_once = -PUSH_PER_RATIO * math.log(self._heard(wanted, now_ticks))
        return _bounded(at_once + self._kept_push, most)

    def _wanted(self, now_ticks: int) -> tuple[float | None, float]:
        """Notes a second to come near to, and the largest push: a ceiling only holds back."""
        asked = self._asked_at(now_ticks)
        return (self._ceiling, 0.0) if asked is None else (asked, LARGEST_PUSH)

    def _forget(self, now_ticks: int) -> None:
        """Drop the notes that the window has left behind."""
        while self._onsets_ticks and self._onsets_ticks[0] < now_ticks - WINDOW_S * TICKS_PER_S:
            self._onsets_ticks.popleft()

    def _keep(self, step_ticks: int, now_ticks: int) -> None:
        """Remember by how much and for how long notes have been too few or too many.

        In shares of what is asked for, not in logarithms: then notes are as many as asked for on average, even if
        they come in bursts.
        """
        wanted, most = self._wanted(now_ticks)
        if wanted is None:
            self._kept_push = 0.0
            return
        lack = max(1.0 - self._heard(wanted, now_ticks), -LARGEST_EXCESS)
        self._kept_push = _bounded(self._kept_push + PUSH_PER_SHARE_AND_S * step_ticks * TICK_S * lack, most)

    def _heard(self, wanted: float, now_ticks: int) -> float:
        """Notes heard as a share of those wanted; what is missing of the first second counts as it should be."""
        now_s = now_ticks * TICK_S
        heard = len(self._onsets_ticks) + wanted * max(1.0 - now_s, 0.0)
        return max(heard, 0.5) / (wanted * min(max(now_s, 1.0), WINDOW_S))


def _bounded(push: float, most: float) -> float:
    return min(max(push, -LARGEST_PUSH), most)


def _direction(vocabulary: Vocabulary) -> Floats:
    """What a push of 1 adds to each token, shape (V,)."""
    direction = np.zeros(vocabulary.size)
    direction[vocabulary.is_on(np.arange(vocabulary.size))] = 1.0
    direction[vocabulary.special("CHORD")] = 1.0  # or it is the way around: three ONs must follow it
    shift = vocabulary.time_shift
    steps_ticks = np.arange(1, LONGEST_SHIFT_TICKS + 1)
    direction[shift.first : shift.stop] = -SHIFT_TILT * np.log2(steps_ticks / MIDDLE_SHIFT_TICKS)
    return direction
