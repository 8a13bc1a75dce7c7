"""The figures of `emsync.metrics` for composed pieces and for stretches of human songs of the same length."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from emsync import metrics
from emsync.music.tokenizer import decode
from emsync.self_similarity import Aspect, bar_similarities, lag_similarity, return_similarity
from emsync.types import TICKS_PER_S, Composition, Notes, Ticks
from emsync_train.dataset import Shards

STRETCH_S = 60.0
STRETCH_SEED = 5


@dataclass(frozen=True)
class Stretch:
    """Music of `length_ticks` with the onsets of its bars."""

    notes: Notes
    bars: Ticks
    length_ticks: int

    @classmethod
    def of(cls, piece: Composition) -> Stretch:
        """A whole composition."""
        return cls(piece.notes, np.array(piece.bar_onsets_ticks, np.int64), piece.duration_ticks)


def _of_bars(figure: Callable[[Notes, Ticks, int], float]) -> Callable[[Stretch], float]:
    return lambda stretch: figure(stretch.notes, stretch.bars, stretch.length_ticks)


def _similarity(stretch: Stretch, figure: Callable[..., float], *values: int) -> float:
    table = bar_similarities(stretch.notes, stretch.bars, stretch.length_ticks, Aspect.NOTES)
    return figure(table, *values) if len(table) > 1 else np.nan


FIGURES: dict[str, Callable[[Stretch], float]] = {
    "note_density_per_s": lambda stretch: metrics.note_density(stretch.notes, stretch.length_ticks),
    "polyphony": lambda stretch: metrics.polyphony(stretch.notes),
    "notes_per_instant": lambda stretch: metrics.notes_per_instant(stretch.notes),
    "pitch_class_entropy_bits": lambda stretch: metrics.pitch_class_entropy(stretch.notes),
    "scale_consistency": lambda stretch: metrics.scale_consistency(stretch.notes),
    "pitch_range_semitones": lambda stretch: metrics.pitch_range(stretch.notes),
    "empty_bar_rate": _of_bars(metrics.empty_bar_rate),
    "empty_time_rate": lambda stretch: metrics.empty_time_rate(stretch.notes, stretch.length_ticks),
    "longest_silence_s": lambda stretch: metrics.longest_silence_s(stretch.notes, stretch.length_ticks),
    "groove_consistency": _of_bars(metrics.groove_consistency),
    "on_grid_rate": _of_bars(metrics.on_grid_rate),
    "repeated_bar_rate": _of_bars(metrics.repeated_bar_rate),
    "similarity_to_last_bar": lambda stretch: _similarity(stretch, lag_similarity, 1),
    "similarity_4_bars_on": lambda stretch: _similarity(stretch, lag_similarity, 4),
    "similarity_of_returns": lambda stretch: _similarity(stretch, return_similarity),
    "bars_per_minute": lambda stretch: len(stretch.bars) * 60 * TICKS_PER_S / stretch.length_ticks,
    "velocity_spread": lambda stretch: metrics.velocity_spread(stretch.notes),
    "stuck_notes": lambda stretch: float(metrics.stuck_notes(stretch.notes)),
}


def music_figures(stretches: Sequence[Stretch]) -> dict[str, dict[str, float]]:
    """Mean, standard deviation and number of stretches of every figure, where it is defined."""
    table = {}
    for name, figure in FIGURES.items():
        values = np.array([figure(stretch) for stretch in stretches], float)
        values = values[np.isfinite(values)]
        table[name] = {"mean": float(values.mean()), "deviation": float(values.std()), "pieces": len(values)}
    return table


def human_stretches(shards: Shards, weights: Mapping[str, float], count: int, *, split: str) -> list[Stretch]:
    """`count` stretches of `STRETCH_S` from songs of a split, drawn as in training, notes cut at both ends."""
    rng = np.random.default_rng(STRETCH_SEED)
    pieces = shards.of_split(split)
    shares = np.array([weights.get(piece.source, 1.0) * piece.token_count for piece in pieces])
    length = int(STRETCH_S * TICKS_PER_S)
    stretches: list[Stretch] = []
    while len(stretches) < count:
        entry = pieces[rng.choice(len(pieces), p=shares / shares.sum())]
        piece = decode(shards.tokens_of(entry), shards.vocabulary)
        if piece.end_ticks < length:
            continue
        begin = int(rng.integers(piece.end_ticks - length + 1))
        onset = piece.notes["onset_ticks"]
        notes = piece.notes[(onset >= begin) & (onset < begin + length)].copy()
        notes["onset_ticks"] -= begin
        notes["duration_ticks"] = np.minimum(notes["duration_ticks"], length - notes["onset_ticks"])
        bars = piece.bar_onsets_ticks
        stretches.append(Stretch(notes, bars[(bars >= begin) & (bars < begin + length)] - begin, length))
    return stretches
