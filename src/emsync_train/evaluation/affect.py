"""Does the music feel as it was asked to? A sweep over valence and arousal, scored by two judges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from emsync.affect_metrics import ccc, quadrant_accuracy, spearman
from emsync.music.affect_reading import AffectLabeller
from emsync.music.music_features import FEATURE_NAMES, music_features
from emsync.music.tokenizer import DEFAULT_VELOCITY
from emsync.options import ComposeOptions
from emsync.types import TICK_S, Composition, Floats
from emsync_train.affect_evaluator import AffectEvaluator
from emsync_train.evaluation.composing import Job, Subject, compose_all, film_of

LEVELS = (-0.8, -0.4, 0.0, 0.4, 0.8)
FILM_S = 16.0
DRAWS = 1000
"""Of a bootstrap over pieces."""
ENDING_S = 3.5
"""Left out of the judgement: the held last chord sounds alike in every piece."""
RAW_FEATURES = ("mode", "pulse", "notes_per_group", "melody_register", "bass_register", "drum_density")

Json = dict[str, Any]


def sweep(
    subject: Subject, options: ComposeOptions, *, pieces_per_cell: int, workers: int
) -> tuple[Floats, list[Composition]]:
    """Affect asked for, shape (N, 2), and the piece composed for it, over a 5 x 5 grid."""
    asked, jobs = [], []
    for number, (valence, arousal) in enumerate(product(LEVELS, LEVELS)):
        for take in range(pieces_per_cell):
            seed = number * pieces_per_cell + take
            film = film_of(seed, duration_s=FILM_S, affect=(valence, arousal))
            asked.append((valence, arousal))
            jobs.append(Job(film, replace(options, seed=seed)))
    return np.array(asked), compose_all(subject, jobs, workers=workers, description="affect sweep")


def affect_figures(asked: Floats, pieces: Sequence[Composition]) -> Json:
    """Agreement of both judges with what was asked, the same for shuffled requests, and means by cell.

    `evaluator` learned other features with another model than the labels of training; `labeller` made those
    labels, so it tells obedience only. Velocities, which follow arousal by rule, are made equal before.
    """
    judged = np.array([_judged(piece) for piece in pieces])
    shuffled = np.random.default_rng(0).permutation(asked)
    figures: Json = {"pieces": len(pieces), "levels": LEVELS}
    for name, columns in (("evaluator", judged[:, :2]), ("labeller", judged[:, 2:4])):
        figures[name] = _agreement(asked, columns)
        figures[f"{name}_shuffled"] = _agreement(shuffled, columns)
    names = (
        "evaluator_valence",
        "evaluator_arousal",
        "labeller_valence",
        "labeller_arousal",
        *_figure_names(),
    )
    cells = {}
    for name, column in zip(names, judged.T, strict=True):
        means = [[_cell_mean(column, asked, v, a) for a in LEVELS] for v in LEVELS]
        cells[name] = np.round(means, 4).tolist()
    figures["cells"] = cells
    return figures


def _figure_names() -> tuple[str, ...]:
    return (*RAW_FEATURES, "bars_per_minute", "velocity")


def _judged(piece: Composition) -> list[float]:
    """Evaluator's and labeller's valence and arousal, then the raw figures."""
    duration_s = piece.duration_ticks * TICK_S - ENDING_S
    notes = piece.notes[piece.notes["onset_ticks"] * TICK_S < duration_s].copy()
    loudness = float(notes["velocity"].mean())
    notes["velocity"] = DEFAULT_VELOCITY
    evaluator = AffectEvaluator.load().judge(notes, duration_s)
    labels = AffectLabeller.load().label(notes, duration_s)
    features = music_features(notes, np.array([0.0]), duration_s)[0]
    bars = np.diff(piece.bar_onsets_ticks)
    return [
        evaluator.valence,
        evaluator.arousal,
        float(labels.valence.mean()),
        float(labels.arousal.mean()),
        *(float(features[FEATURE_NAMES.index(name)]) for name in RAW_FEATURES),
        60 / (float(np.median(bars)) * TICK_S) if len(bars) else np.nan,
        loudness,
    ]


def _cell_mean(column: Floats, asked: Floats, valence: float, arousal: float) -> float:
    return float(np.nanmean(column[(asked[:, 0] == valence) & (asked[:, 1] == arousal)]))


def _agreement(asked: Floats, judged: Floats) -> dict[str, float]:
    """Concordance, rank correlation and slope per axis, and quadrant accuracy of pieces off the axes."""
    figures = {}
    draws = np.random.default_rng(0).integers(len(asked), size=(DRAWS, len(asked)))
    for column, axis in enumerate(("valence", "arousal")):
        figures[f"{axis}_ccc"] = ccc(asked[:, column], judged[:, column])
        drawn = [ccc(asked[draw, column], judged[draw, column]) for draw in draws]
        figures[f"{axis}_ccc_standard_error"] = float(np.nanstd(drawn))
        figures[f"{axis}_spearman"] = spearman(asked[:, column], judged[:, column])
        figures[f"{axis}_slope"] = float(np.polyfit(asked[:, column], judged[:, column], 1)[0])
    off_axes = (asked != 0).all(axis=1)
    columns = (*asked[off_axes].T, *judged[off_axes].T)
    figures["quadrant_accuracy"] = quadrant_accuracy(*columns)
    return figures
