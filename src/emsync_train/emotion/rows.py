"""From moments of clips to the rows that are fitted, and their outputs when held out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emsync.emotion.features import FeatureExtractor
from emsync.emotion.head import compressed
from emsync.emotion.moments import Mask, SenseFeatures, ShotFeatures
from emsync.emotion.pool import NAMING_SHARES, log_pool, softmax
from emsync.emotion.sense import Sense
from emsync.types import Floats, Shot
from emsync_train.emotion.clip_moments import ClipMoments
from emsync_train.emotion.data import CLIP_CLASSES, Clip, Frames, RatedPhotographs, clip_groups
from emsync_train.emotion.fit import (
    Linear,
    Pool,
    fit_logistic,
    fit_pool,
    fit_ridge,
    fit_temperature,
    group_folds,
)

FOLDS = 10
RIDGE_PENALTY = 1.0
LOGISTIC_PENALTY = 2e-3
SEGMENTS_PER_CLIP, SEGMENT_S = 6, 5.0
"""A clip of 30 s becomes six rows of 5 s: about the length of a shot."""

BATCH_PIECES = 8

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """What is fitted: features of photographs and of clip segments, with targets and groups.

    `photographs` (P, D_image); `senses` has the same S segments for every sense.
    """

    photographs: Floats
    ratings: Floats
    themes: tuple[str, ...]
    senses: ShotFeatures
    segment_clips: Labels
    clip_labels: Labels
    clip_groups: Labels

    @property
    def segment_labels(self) -> Labels:
        """Class of each segment, shape (S,)."""
        return self.clip_labels[self.segment_clips]

    @property
    def learned(self) -> tuple[str, ...]:
        """Names of the senses that are fitted; the others name emotions themselves."""
        return tuple(name for name in self.senses if name not in NAMING_SHARES)

    def of(self, names: Iterable[str]) -> ShotFeatures:
        """Only these senses."""
        return {name: self.senses[name] for name in names}


@dataclass(frozen=True)
class HeldOut:
    """Outputs for rows that were not fitted on: ratings (N, 2), class logits (S, 6) of each learned sense.

    `segment_folds` (S,) says in which of the ten folds a segment was held out.
    """

    ratings: Floats
    logits: Mapping[str, Floats]
    segment_folds: Labels


@dataclass(frozen=True)
class Calibration:
    """What turns logits into probabilities: a temperature for each sense, and how they are pooled."""

    temperatures: Mapping[str, float]
    pool: Pool


def make_rows(
    photographs: RatedPhotographs,
    image: FeatureExtractor[Frames],
    clips: Sequence[Clip],
    moments: Sequence[ClipMoments],
    senses: Sequence[Sense],
) -> Rows:
    """Photographs through the network that sees, and the mean moments of each segment of each clip."""
    features = {sense.name: _segments(sense, moments) for sense in senses}
    return Rows(
        photographs=np.asarray(_extract(image, photographs.frames), np.float64),
        ratings=photographs.ratings,
        themes=photographs.themes,
        senses=features,
        segment_clips=np.arange(len(clips)).repeat(SEGMENTS_PER_CLIP),
        clip_labels=np.array([CLIP_CLASSES.index(clip.label) for clip in clips]),
        clip_groups=clip_groups(
            [clip.series for clip in clips],
            _clip_means(np.asarray(features["image"].values, np.float64)),
            _clip_means(compressed64(features["sound"].values)),
        ),
    )


def compressed64(features: NDArray[np.floating[Any]]) -> Floats:
    """Features as the head sees them, in float64."""
    return np.asarray(compressed(features), dtype=np.float64)


def segment_shots() -> tuple[Shot, ...]:
    """The six segments of a clip, as if they were shots."""
    return tuple(Shot(SEGMENT_S * index, SEGMENT_S * (index + 1)) for index in range(SEGMENTS_PER_CLIP))


def _segments(sense: Sense, moments: Sequence[ClipMoments]) -> SenseFeatures:
    shots = segment_shots()
    parts = [one[sense.name].of_shots(shots, reach_s=sense.reach_s) for one in moments]
    return SenseFeatures(
        np.concatenate([part.values for part in parts]), np.concatenate([part.is_known for part in parts])
    )


def _clip_means(values: Floats) -> Floats:
    return np.asarray(values.reshape(-1, SEGMENTS_PER_CLIP, values.shape[1]).mean(axis=1))


def _extract(network: FeatureExtractor[NDArray[Any]], pieces: NDArray[Any]) -> NDArray[np.float32]:
    starts = range(0, len(pieces), BATCH_PIECES)
    return np.concatenate([network.extract(pieces[start : start + BATCH_PIECES]) for start in starts])


def held_out(rows: Rows, *, seed: int = 0) -> HeldOut:
    """Ten folds, drawn by seed: whole themes of photographs and whole groups of clips are predicted unseen."""
    ratings = np.zeros_like(rows.ratings)
    theme_folds = group_folds(rows.themes, folds=FOLDS, seed=seed)
    segment_folds = group_folds(rows.clip_groups.tolist(), folds=FOLDS, seed=seed)[rows.segment_clips]
    for fold in range(FOLDS):
        unseen = theme_folds == fold
        ratings[unseen] = fit_affect(rows, ~unseen)(compressed64(rows.photographs[unseen]))
    logits = {name: _held_out_logits(rows, name, segment_folds) for name in rows.learned}
    return HeldOut(ratings, logits, segment_folds)


def _held_out_logits(rows: Rows, name: str, segment_folds: Labels) -> Floats:
    inputs = compressed64(rows.senses[name].values)
    logits = np.zeros((len(inputs), len(CLIP_CLASSES)))
    for fold in range(FOLDS):
        unseen = segment_folds == fold
        logits[unseen] = fit_sense(rows, name, ~unseen)(inputs[unseen])
    return logits


def fit_affect(rows: Rows, chosen: Mask) -> Linear:
    """Ratings of photographs from their features."""
    return fit_ridge(compressed64(rows.photographs[chosen]), rows.ratings[chosen], penalty=RIDGE_PENALTY)


def fit_sense(rows: Rows, name: str, chosen: Mask) -> Linear:
    """Class logits of segments from one sense; segments in which it did not speak are left out."""
    spoke = chosen & rows.senses[name].is_known
    inputs = compressed64(rows.senses[name].values[spoke])
    targets = np.eye(len(CLIP_CLASSES))[rows.segment_labels[spoke]]
    return fit_logistic(inputs, targets, penalty=LOGISTIC_PENALTY)


def fit_calibration(rows: Rows, unseen: HeldOut, chosen: Mask, names: Sequence[str]) -> Calibration:
    """Temperatures and pool of these learned senses, from the held-out logits of the chosen segments (S,)."""
    labels = rows.segment_labels
    temperatures, probabilities = {}, {}
    every = chosen & np.all([rows.senses[name].is_known for name in names], axis=0)
    for name in names:
        spoke = chosen & rows.senses[name].is_known
        temperatures[name] = fit_temperature(unseen.logits[name][spoke], labels[spoke])
        probabilities[name] = softmax(unseen.logits[name][every] / temperatures[name])
    return Calibration(temperatures, fit_pool(probabilities, labels[every]))


def calibrated(rows: Rows, unseen: HeldOut, calibration: Calibration) -> Floats:
    """Probabilities of all segments by the senses of a calibration, shape (S, 6)."""
    temperatures = calibration.temperatures
    return log_pool(
        {name: softmax(unseen.logits[name] / temperatures[name]) for name in temperatures},
        {name: rows.senses[name].is_known for name in temperatures},
        weights=calibration.pool.weights,
        temperature=calibration.pool.temperature,
    )


def cross_calibrated(rows: Rows, unseen: HeldOut, names: Sequence[str]) -> Floats:
    """Probabilities of all segments by these learned senses, each fold's calibration fitted on the other nine.

    Uniform where `names` is empty.
    """
    probabilities = np.full((len(rows.segment_clips), len(CLIP_CLASSES)), 1 / len(CLIP_CLASSES))
    for fold in np.unique(unseen.segment_folds) if names else ():
        chosen = unseen.segment_folds == fold
        calibration = fit_calibration(rows, unseen, ~chosen, names)
        probabilities[chosen] = calibrated(rows, unseen, calibration)[chosen]
    return probabilities
