"""Classifier-free guidance: copies of the piece that are fed without some conditions, and how much each counts."""

from __future__ import annotations

from dataclasses import dataclass

from emsync.music.conditions import Condition
from emsync.options import ComposeOptions


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
