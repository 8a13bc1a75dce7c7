"""From pictures and sound to the rows that are fitted, and their outputs when held out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emsync.emotion.features import FeatureExtractor
from emsync.emotion.features.image import has_picture
from emsync.emotion.features.sound import has_sound
from emsync.emotion.head import Mask, compressed, softmax
from emsync.types import Floats
from emsync_train.emotion.data import CLIP_CLASSES, Clip, Frames, Patches, RatedPhotographs, clip_groups
from emsync_train.emotion.fit import (
    Fusion,
    Linear,
    fit_fusion,
    fit_logistic,
    fit_ridge,
    fit_temperature,
    group_folds,
)

FOLDS = 10
RIDGE_PENALTY = 1.0
LOGISTIC_PENALTY = 2e-3
SEGMENTS_PER_CLIP = 6
"""A clip of 30 s becomes six rows of 5 s: about the length of a shot."""

BATCH_PIECES = 8

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """What is fitted: compressed features of photographs and clip segments, with targets and groups.

    `image` (S, D_image) and `sound` (S, D_sound) belong to the same segments; `has_sound` (S,) is False for
    a silent one, whose row of `sound` means nothing.
    """

    photographs: Floats
    ratings: Floats
    themes: tuple[str, ...]
    image: Floats
    sound: Floats
    has_sound: Mask
    segment_clips: Labels
    clip_labels: Labels
    clip_groups: Labels

    @property
    def segment_labels(self) -> Labels:
        """Class of each segment, shape (S,)."""
        return self.clip_labels[self.segment_clips]


@dataclass(frozen=True)
class HeldOut:
    """Outputs for rows that were not fitted on: ratings (N, 2), class logits (S, 6) of each sense.

    `segment_folds` (S,) says in which of the ten folds a segment was held out.
    """

    ratings: Floats
    image_logits: Floats
    sound_logits: Floats
    segment_folds: Labels


@dataclass(frozen=True)
class Calibration:
    """What turns logits into probabilities: three temperatures and a weight."""

    image_temperature: float
    sound_temperature: float
    fusion: Fusion


@dataclass(frozen=True)
class ClassProbabilities:
    """Clip classes by each sense and by both, shape (S, 6) each."""

    image: Floats
    sound: Floats
    fused: Floats


def make_rows(
    photographs: RatedPhotographs,
    clips: list[Clip],
    image: FeatureExtractor[Frames],
    sound: FeatureExtractor[Patches],
) -> Rows:
    """Run the frozen networks over everything."""
    seen = [_image_segments(clip.frames, image) for clip in clips]
    heard = [_sound_segments(clip.patches, sound) for clip in clips]
    image_rows = np.stack(seen).astype(np.float64)  # (N, 6, D_image)
    sound_rows = np.stack([rows for rows, _ in heard]).astype(np.float64)
    return Rows(
        photographs=compressed64(_extract(image, photographs.frames)),
        ratings=photographs.ratings,
        themes=photographs.themes,
        image=compressed64(np.concatenate(image_rows)),
        sound=compressed64(np.concatenate(sound_rows)),
        has_sound=np.concatenate([is_heard for _, is_heard in heard]),
        segment_clips=np.arange(len(clips)).repeat(SEGMENTS_PER_CLIP),
        clip_labels=np.array([CLIP_CLASSES.index(clip.label) for clip in clips]),
        clip_groups=clip_groups(
            [clip.series for clip in clips],
            image_rows.mean(axis=1),
            compressed64(sound_rows).mean(axis=1),
        ),
    )


def compressed64(features: NDArray[np.floating]) -> Floats:
    """Features as the head sees them, in float64."""
    return np.asarray(compressed(features), dtype=np.float64)


def _image_segments(frames: Frames, network: FeatureExtractor[Frames]) -> NDArray[np.float32]:
    """Mean features of each sixth of the frames that show something, shape (6, D)."""
    features = _extract(network, frames[[has_picture(frame) for frame in frames]])
    return np.stack([part.mean(axis=0) for part in np.array_split(features, SEGMENTS_PER_CLIP)])


def _sound_segments(patches: Patches, network: FeatureExtractor[Patches]) -> tuple[NDArray[np.float32], Mask]:
    """Mean features of the patches that are not silent in each sixth, shape (6, D), and which sixths have any."""
    means = np.zeros((SEGMENTS_PER_CLIP, network.dimension), np.float32)
    is_heard = np.zeros(SEGMENTS_PER_CLIP, np.bool_)
    for index, part in enumerate(np.array_split(patches, SEGMENTS_PER_CLIP)):
        loud = part[[has_sound(samples) for samples in part]]
        if len(loud):
            means[index] = _extract(network, loud).mean(axis=0)
            is_heard[index] = True
    return means, is_heard


def _extract(network: FeatureExtractor[NDArray[Any]], pieces: NDArray[Any]) -> NDArray[np.float32]:
    starts = range(0, len(pieces), BATCH_PIECES)
    return np.concatenate([network.extract(pieces[start : start + BATCH_PIECES]) for start in starts])


def held_out(rows: Rows, *, seed: int = 0) -> HeldOut:
    """Ten folds, drawn by seed: whole themes of photographs and whole groups of clips are predicted unseen."""
    ratings = np.zeros_like(rows.ratings)
    theme_folds = group_folds(rows.themes, folds=FOLDS, seed=seed)
    image_logits, sound_logits = (np.zeros((len(rows.image), len(CLIP_CLASSES))) for _ in range(2))
    segment_folds = group_folds(rows.clip_groups.tolist(), folds=FOLDS, seed=seed)[rows.segment_clips]
    for fold in range(FOLDS):
        unseen = theme_folds == fold
        ratings[unseen] = fit_affect(rows, ~unseen)(rows.photographs[unseen])
        unseen = segment_folds == fold
        image_logits[unseen] = fit_image(rows, ~unseen)(rows.image[unseen])
        sound_logits[unseen] = fit_sound(rows, ~unseen)(rows.sound[unseen])
    return HeldOut(ratings, image_logits, sound_logits, segment_folds)


def fit_affect(rows: Rows, chosen: Mask) -> Linear:
    """Ratings of photographs from their features."""
    return fit_ridge(rows.photographs[chosen], rows.ratings[chosen], penalty=RIDGE_PENALTY)


def fit_image(rows: Rows, chosen: Mask) -> Linear:
    """Class logits of segments from what is seen."""
    return fit_logistic(rows.image[chosen], _targets(rows)[chosen], penalty=LOGISTIC_PENALTY)


def fit_sound(rows: Rows, chosen: Mask) -> Linear:
    """Class logits of segments from what is heard; silent segments are left out."""
    heard = chosen & rows.has_sound
    return fit_logistic(rows.sound[heard], _targets(rows)[heard], penalty=LOGISTIC_PENALTY)


def _targets(rows: Rows) -> Floats:
    return np.eye(len(CLIP_CLASSES))[rows.segment_labels]


def fit_calibration(rows: Rows, unseen: HeldOut, chosen: Mask) -> Calibration:
    """Temperatures and weight from the held-out logits of the chosen segments (S,)."""
    labels, both = rows.segment_labels, chosen & rows.has_sound
    image_temperature = fit_temperature(unseen.image_logits[chosen], labels[chosen])
    sound_temperature = fit_temperature(unseen.sound_logits[both], labels[both])
    image = softmax(unseen.image_logits[both] / image_temperature)
    sound = softmax(unseen.sound_logits[both] / sound_temperature)
    return Calibration(image_temperature, sound_temperature, fit_fusion(image, sound, labels[both]))


def calibrated(unseen: HeldOut, calibration: Calibration, chosen: Mask) -> ClassProbabilities:
    """Probabilities of the chosen segments."""
    image = softmax(unseen.image_logits[chosen] / calibration.image_temperature)
    sound = softmax(unseen.sound_logits[chosen] / calibration.sound_temperature)
    return ClassProbabilities(image, sound, calibration.fusion(image, sound))


def cross_calibrated(rows: Rows, unseen: HeldOut) -> ClassProbabilities:
    """Probabilities of all segments, each fold's calibration fitted on the other nine."""
    image, sound, both = (np.zeros_like(unseen.image_logits) for _ in range(3))
    for fold in np.unique(unseen.segment_folds):
        chosen = unseen.segment_folds == fold
        made = calibrated(unseen, fit_calibration(rows, unseen, ~chosen), chosen)
        image[chosen], sound[chosen], both[chosen] = made.image, made.sound, made.fused
    return ClassProbabilities(image, sound, both)
