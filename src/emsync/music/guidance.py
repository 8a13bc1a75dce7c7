"""Classifier-free guidance: copies of the piece that are fed without some conditions, and how much each counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from emsync.music.conditions import Condition
from emsync.music.next_token import NextToken
from emsync.options import ComposeOptions
from emsync.types import Floats

Logits: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True)
class GuidanceRow:
    """A copy of the piece that is fed without some conditions, and how much its logits count."""

    dropped: tuple[Condition, ...]
    weight: float


def guidance_rows(options: ComposeOptions) -> list[GuidanceRow]:
    """The rows of the batch that guidance needs, the fully conditioned one first; weights sum to 1.

    logits = all + (a - 1) (all - without affect) + (b - 1) (all - without boundary), a and b the guidance scales:
    classifier-free guidance (Ho & Salimans 2022) for each condition by itself.
    """
    scales = (
        ((Condition.VALENCE, Condition.AROUSAL), options.affect_guidance),
        ((Condition.BOUNDARY_OFFSET_S,), options.boundary_guidance),
    )
    rows = [GuidanceRow(dropped, 1 - scale) for dropped, scale in scales if scale != 1]
    return [GuidanceRow((), 1 - sum(row.weight for row in rows)), *rows]


class GuidedModel:
    """A network fed with every row of the guidance at once, with a batch of as many rows."""

    def __init__(self, model: NextToken, options: ComposeOptions) -> None:
        self.model = model
        self._rows = guidance_rows(options)
        self._weights = np.array([row.weight for row in self._rows], np.float32)

    def told(self, conditions: Floats) -> NDArray[np.float32]:
        """What each row is told of conditions of shape (11,); shape (B, 11)."""
        told = np.repeat(conditions[None], len(self._rows), axis=0).astype(np.float32)
        for place, row in enumerate(self._rows):
            told[place, list(row.dropped)] = np.nan
        return told

    def step(self, tokens: Sequence[int], told: NDArray[np.float32]) -> tuple[Logits, Logits]:
        """Feed tokens to all rows: the fully conditioned logits of the next token, and the guided, (V,) each.

        Args:
            told: shape (B, T, 11).
        """
        logits = self.model.step(np.array([tokens] * len(self._rows), np.int64), told)
        return logits[0], logits[0] if len(self._rows) == 1 else self._weights @ logits
