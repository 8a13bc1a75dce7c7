"""How the CHORDs of composed pieces, and the chords that are really struck, answer the boundaries of their films."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from emsync import metrics
from emsync.music.chords import CHORD_PITCHES
from emsync.options import ComposeOptions
from emsync.types import TICK_S, Composition, Floats, InstrumentGroup
from emsync_train.evaluation.composing import LAST_BOUNDARY_S, Job, Subject, compose_all, film_of

TOLERANCES_S = (0.05, 0.1, 0.25, 0.5, 1.0)
FILM_S = 60.0
CHORD_TICKS_HELD = 62
"""A struck chord counts if three of its pitches sound for half a second: what a listener can take for an answer."""

Figures = dict[str, dict[str, float]]


def compose_for_boundaries(
    subject: Subject, options: ComposeOptions, *, pieces: int, workers: int, boundaries: bool = True
) -> list[Composition]:
    """A piece for each of the films 0, 1, 2, ... with that number as its seed."""
    jobs = [
        Job(
            film_of(number, duration_s=FILM_S, boundaries=boundaries),
            replace(options, seed=number),
        )
        for number in range(pieces)
    ]
    return compose_all(subject, jobs, workers=workers, description=f"boundaries, {options.sync}")


def announced_chords_s(piece: Composition) -> Floats:
    """Times of the CHORD tokens."""
    return np.array(piece.chord_onsets_ticks, np.float64) * TICK_S


def struck_chords_s(piece: Composition) -> Floats:
    """Times at which three pitches or more are struck at once and held for half a second, whatever was announced."""
    notes = piece.notes[piece.notes["group"] != InstrumentGroup.DRUMS]
    held = notes[notes["duration_ticks"] >= CHORD_TICKS_HELD]
    onsets, counts = np.unique(
        np.unique(np.stack([held["onset_ticks"].astype(np.int64), held["pitch"]], axis=1), axis=0)[:, 0],
        return_counts=True,
    )
    return onsets[counts >= CHORD_PITCHES] * TICK_S


def boundary_figures(pieces: Sequence[Composition]) -> dict[str, Figures]:
    """For CHORDs and for struck chords, by tolerance: recall, precision, F1 and signed offset of the answers.

    `own` is against the boundaries of the piece's film, `shuffled` against those of the next piece's film: what
    a piece hits by chance. F1 comes with its standard error over pieces.
    """
    count = len(pieces)
    films = [_boundaries_s(number) for number in range(count)]
    shuffled = [*films[1:], films[0]]
    kinds: dict[str, Callable[[Composition], Floats]] = {
        "announced": announced_chords_s,
        "struck": struck_chords_s,
    }
    table: dict[str, Figures] = {}
    for kind, chords_of in kinds.items():
        chords = [_before_the_end(chords_of(piece)) for piece in pieces]
        for name, references in (("own", films), ("shuffled", shuffled)):
            table[f"{kind}_{name}"] = {
                f"{round(tolerance_s * 1000)}_ms": _agreement(references, chords, tolerance_s)
                for tolerance_s in TOLERANCES_S
            }
        table[kind] = {"per_minute": {"mean": float(np.mean([len(found) for found in chords])) * 60 / FILM_S}}
    return table


def _boundaries_s(number: int) -> Floats:
    film = film_of(number, duration_s=FILM_S)
    return np.array([boundary.time_s for boundary in film.boundaries])


def _before_the_end(chords_s: Floats) -> Floats:
    """Without the last chord, which the decoder strikes in every piece."""
    return chords_s[chords_s < FILM_S - LAST_BOUNDARY_S + 1]


def _agreement(
    references: Sequence[Floats], chords: Sequence[Floats], tolerance_s: float
) -> dict[str, float]:
    matches = [
        metrics.match_onsets(reference, found, tolerance_s)
        for reference, found in zip(references, chords, strict=True)
    ]
    f1 = np.array([metrics.f1(match) for match in matches])
    offsets = np.concatenate([metrics.signed_offsets(match) for match in matches])
    return {
        "recall": float(np.nanmean([metrics.recall(match) for match in matches])),
        "precision": _mean_of_known([metrics.precision(match) for match in matches]),
        "f1": float(np.nanmean(f1)),
        "f1_standard_error": float(np.nanstd(f1) / np.sqrt(len(f1))),
        "median_signed_offset_ms": float(np.median(offsets) * 1000) if len(offsets) else np.nan,
        "median_absolute_offset_ms": float(np.median(np.abs(offsets)) * 1000) if len(offsets) else np.nan,
    }


def _mean_of_known(values: Sequence[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else np.nan
