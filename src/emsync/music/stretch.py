"""A part of a score that is written while the rest is there."""

from __future__ import annotations

from dataclasses import dataclass

LONGEST_PREFILL = 768
"""Tokens before a stretch that are heard again: what the shipped network's window holds after it slid."""


@dataclass(frozen=True)
class Stretch:
    """`begin_ticks` up to but not at `stop_ticks`; without `stop_ticks` the stretch ends with the score.

    `before` is the music before `begin_ticks` as tokens, from START to the last event, without a time shift after it.
    """

    before: tuple[int, ...]
    begin_ticks: int
    stop_ticks: int | None = None
