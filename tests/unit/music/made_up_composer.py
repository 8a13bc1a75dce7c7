"""A made-up network in place of the composer's, films for it, and the loop that is tested with both."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from emsync.music.compose import compose_with
from emsync.music.conditions import Condition
from emsync.music.vocabulary import EMSYNC, PAPER, Vocabulary
from emsync.options import ComposeOptions, SyncMode
from emsync.types import AffectCurve, AffectPoint, Boundary, Composition, CueSheet, InstrumentGroup

SILENCE_TICKS = 38
"""Nothing sounds for so long at the end."""
RISING = AffectCurve((AffectPoint(0.0, -1.0, 0.5), AffectPoint(20.0, 1.0, -0.5)))
BOTH = pytest.mark.parametrize("vocabulary", [EMSYNC, PAPER], ids=lambda vocabulary: vocabulary.name)
CUT_LISTS = [
    (20, (4, 8, 12.5, 16)),
    (20, (5, 5.3, 5.6, 5.9)),
    (20, (0.05, 10)),
    (20, (0.0, 10)),
    (20, (3, 18.99)),
    (20, (3, 3.008, 3.016)),
    (20, (3.0, 3.001, 3.002)),
    (20, (18, 18.5, 19, 19.6)),
    (20, (17.4, 19.9)),
    (20, (3, 19.992)),
    (2, (0.4, 0.7)),
    (60, tuple(float(second) for second in range(1, 60))),
]
"""Lengths of films and their boundaries, in seconds."""


class MadeUpModel:
    """The interface of `ComposerModel` with seeded random logits; remembers what it was asked.

    `heard` is added to the logits of every row that is told the condition.
    """

    horizon_s = 8.0

    def __init__(
        self, vocabulary: Vocabulary = EMSYNC, *, seed: int = 0, spread: float = 2.0, batch: int = 1
    ) -> None:
        self.vocabulary_name, self._size = vocabulary.name, vocabulary.size
        self._seed, self._spread, self._batch = seed, spread, batch
        self.bias = np.zeros(vocabulary.size, np.float32)
        self.heard: dict[Condition, NDArray[np.float32]] = {}
        self.tokens: list[int] = []
        self.rows: list[NDArray[np.float32]] = []

    @property
    def conditions(self) -> NDArray[np.float32]:
        """What the first row was told, shape (T, 11)."""
        return np.array(self.rows)[:, 0]

    @property
    def position(self) -> int:
        return len(self.tokens)

    def reset(self) -> None:
        self.tokens, self.rows = [], []

    def truncate(self, position: int) -> None:
        del self.tokens[position:], self.rows[position:]

    def step(self, tokens: NDArray[np.int64], conditions: NDArray[np.float32]) -> NDArray[np.float32]:
        """Several tokens are several steps."""
        for place in range(tokens.shape[1]):
            logits = self._step(tokens[:, place, None], conditions[:, place, None])
        return logits

    def _step(self, tokens: NDArray[np.int64], conditions: NDArray[np.float32]) -> NDArray[np.float32]:
        assert tokens.shape == (self._batch, 1)
        assert conditions.shape == (self._batch, 1, len(Condition))
        assert conditions.dtype == np.float32
        assert len(set(tokens[:, 0].tolist())) == 1
        self.tokens.append(int(tokens[0, 0]))
        self.rows.append(conditions[:, 0].copy())
        rng = np.random.default_rng((self._seed, *self.tokens[-8:], len(self.tokens)))
        logits = self._spread * rng.standard_normal(self._size) + self.bias
        rows = np.repeat(logits.astype(np.float32)[None], self._batch, axis=0)
        for condition, heard in self.heard.items():
            rows[np.isfinite(conditions[:, 0, condition])] += heard
        return rows


def cue_sheet_of(duration_s: float, *boundaries_s: float, affect: AffectCurve = RISING) -> CueSheet:
    return CueSheet(
        title="Film",
        duration_s=duration_s,
        frame_rate_fps=Fraction(25),
        cuts=(),
        shots=(),
        boundaries=tuple(Boundary(time_s, 1.0, "cut") for time_s in boundaries_s),
        dropped=(),
        affect=affect,
    )


def compose(
    cue_sheet: CueSheet,
    model: MadeUpModel | None = None,
    *,
    sync: SyncMode = SyncMode.EXACT,
    seed: int = 0,
    tempo_bpm: float | None = None,
    instruments: tuple[InstrumentGroup, ...] | None = None,
) -> Composition:
    options = ComposeOptions(
        seed=seed, sync=sync, tempo_bpm=tempo_bpm, instruments=instruments, affect_guidance=1.0
    )
    return compose_with(model or MadeUpModel(), cue_sheet, options)


def unhurried(vocabulary: Vocabulary = EMSYNC, *, seed: int = 0) -> MadeUpModel:
    """A network that likes long steps, so that a minute of music is soon written."""
    model = MadeUpModel(vocabulary, seed=seed)
    model.bias[vocabulary.shift_token(30) : vocabulary.time_shift.stop] = 3.0
    return model
