"""How surprising music is to the network at a seam: teacher-forced, token by token, guidance aside."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from emsync.music.next_token import NextToken
from emsync.music.score import ScoreWriter
from emsync.music.split_score import SplitScore
from emsync.music.stretch import Stretch
from emsync.music.tokenizer import token_times_ticks
from emsync.music.vocabulary import LOWEST_PITCH, PITCHES
from emsync.types import Notes, Ticks

SEAM_TOKENS = 64
"""Surprise at a seam is that of so many tokens after it."""
USUAL_TOKENS = 256
"""Surprise elsewhere is that of so many tokens before the stretch."""


def nats_from(
    score: SplitScore,
    model: NextToken,
    notes: Notes,
    chords: tuple[int, ...],
    *,
    since_ticks: int,
    until_ticks: int,
) -> float:
    """Mean surprise of up to `SEAM_TOKENS` from the first event in a span on, in nats per token; NaN without any.

    The ends of the stretch's own notes do not count after it: they differ from draft to draft.

    Args:
        notes, chords: those of the stretch.
    """
    tokens = np.array(score.tokens(notes, chords))
    times = token_times_ticks(tokens, score.vocabulary)
    in_span = (times >= since_ticks) & (times < until_ticks)
    events = np.flatnonzero(in_span & ~score.vocabulary.time_shift.holds(tokens))
    if not len(events[events > 0]):
        return math.nan
    first = max(int(events[0]), 1)  # START surprises nobody
    stop = min(first + SEAM_TOKENS, int(events[-1]) + 1)
    counted = np.ones(stop - first, bool)
    if since_ticks >= score.end_of_stretch:
        counted = ~_ends_of(score, notes, tokens[first:stop], times[first:stop])
    nats = np.array(_heard(score, model, tokens, first, stop))
    return float(nats[counted].mean()) if counted.any() else math.nan


def nats_before(score: SplitScore, model: NextToken) -> float:
    """Mean surprise of the last `USUAL_TOKENS` before the stretch, in nats per token; NaN if nothing is there."""
    tokens = np.array(score.stretch().before)
    first = max(1, len(tokens) - USUAL_TOKENS)
    return (
        float(np.mean(_heard(score, model, tokens, first, len(tokens)))) if first < len(tokens) else math.nan
    )


def _ends_of(score: SplitScore, notes: Notes, tokens: NDArray[np.int64], times: Ticks) -> NDArray[np.bool_]:
    """Which tokens are OFFs of some notes, shape of `tokens`."""
    numbers = notes["group"].astype(np.int64) * PITCHES + notes["pitch"] - LOWEST_PITCH
    ends = set(zip((notes["onset_ticks"] + notes["duration_ticks"]).tolist(), numbers.tolist(), strict=True))
    said = zip(times.tolist(), score.vocabulary.notes_of(tokens).tolist(), strict=True)
    return np.asarray(score.vocabulary.off.holds(tokens) & np.array([one in ends for one in said]))


def _heard(
    score: SplitScore, model: NextToken, tokens: NDArray[np.int64], first: int, stop: int
) -> list[float]:
    """Surprise of tokens `first` up to `stop` of a score, after those before them."""
    before_ticks = int(token_times_ticks(tokens[:first], score.vocabulary)[-1])
    stretch = Stretch(tuple(tokens[:first].tolist()), before_ticks)
    model.reset()
    writer = ScoreWriter(score.plan, model, np.random.default_rng(0), stretch=stretch)
    writer.listen()
    return writer.surprises_nats(tokens[first:stop].tolist())
