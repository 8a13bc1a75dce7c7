"""Fit and cross-validate the emotion head, write it to the assets.

    python -m emsync_train.emotion.train_head --data DIR --out src/emsync/assets

DIR holds `oasis/` and `music_video_clips/`. Six minutes on two busy cores; same input, same file. The
report (JSON beside the table on the screen) holds the figures of docs/emotion.md.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emsync.emotion.affect import RESCALED
from emsync.emotion.features import FeatureExtractor
from emsync.emotion.features.image import ImageFeatures, has_picture
from emsync.emotion.head import EMOTION_HEAD, EmotionHead, compressed, emotions_near, softmax
from emsync.types import EMOTIONS, Floats
from emsync.weights import ASSETS, register_weights
from emsync_train.emotion.data import (
    CLIP_CLASSES,
    Clip,
    RatedPhotographs,
    clip_groups,
    load_clips,
    load_oasis,
)
from emsync_train.emotion.fit import Linear, fit_logistic, fit_ridge, fit_temperature, group_folds
from emsync_train.emotion.measure import accuracy, correlation, expected_calibration_error, macro_f1

FILE_NAME = "emotion_head.json"
FOLDS = 10
SEED = 0
RIDGE_PENALTY = 1.0
LOGISTIC_PENALTY = 2e-3
SEGMENTS_PER_CLIP = 6
"""A clip of 30 s becomes six rows of 5 s: about the length of a shot."""

AFFECT_SHARE = 0.5
"""Both readings count alike; not tuned."""

CLASS_TO_EMOTION = {
    "Excited": {"joy": 0.6, "surprise": 0.4},
    "Fear": {"fear": 1.0},
    "Neutral": {emotion: 1 / len(EMOTIONS) for emotion in EMOTIONS},
    "Relaxation": {"joy": 0.65, "sadness": 0.35},
    "Sad": {"sadness": 1.0},
    "Tension": {"anger": 0.35, "disgust": 0.15, "fear": 0.5},
}
"""What each clip class stands for: an assumption, not a measurement. Relaxation is the mixture whose affect,
(+0.24, +0.03), comes nearest to pleasant and calm that six categories without a calm one can come."""

EKMAN_CLASSES = {"Excited": "joy", "Fear": "fear", "Sad": "sadness"}
"""Clip classes that name an Ekman category outright: the only ones on which the posterior can be scored."""


@dataclass(frozen=True)
class Rows:
    """What is fitted: compressed features of photographs and clip segments, with targets and groups."""

    photographs: Floats
    ratings: Floats
    themes: tuple[str, ...]
    segments: Floats
    segment_clips: NDArray[np.int64]
    clip_labels: NDArray[np.int64]
    clip_groups: NDArray[np.int64]

    @property
    def segment_labels(self) -> NDArray[np.int64]:
        """Class of each segment, shape (S,)."""
        return self.clip_labels[self.segment_clips]


@dataclass(frozen=True)
class HeldOut:
    """Outputs for rows that were not fitted on: ratings (N, 2) and class logits (S, 6)."""

    ratings: Floats
    logits: Floats


def make_rows(
    photographs: RatedPhotographs, clips: list[Clip], network: FeatureExtractor[NDArray[np.uint8]]
) -> Rows:
    """Run the frozen network over everything."""
    segments, owners, means = [], [], []
    for index, clip in enumerate(clips):
        seen = np.array([has_picture(frame) for frame in clip.frames])
        features = _extract(network, clip.frames[seen])
        means.append(features.mean(axis=0))
        for part in np.array_split(features, SEGMENTS_PER_CLIP):
            segments.append(part.mean(axis=0))
            owners.append(index)
    return Rows(
        photographs=_compressed64(_extract(network, photographs.frames)),
        ratings=photographs.ratings,
        themes=photographs.themes,
        segments=_compressed64(np.stack(segments)),
        segment_clips=np.array(owners),
        clip_labels=np.array([CLIP_CLASSES.index(clip.label) for clip in clips]),
        clip_groups=clip_groups([clip.series for clip in clips], np.stack(means).astype(np.float64)),
    )


def _extract(network: FeatureExtractor[NDArray[np.uint8]], frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.concatenate([network.extract(frames[start : start + 8]) for start in range(0, len(frames), 8)])


def _compressed64(features: NDArray[np.float32]) -> Floats:
    return np.asarray(compressed(features), dtype=np.float64)


def held_out(rows: Rows) -> HeldOut:
    """Ten folds: whole themes of photographs and whole groups of clips are predicted unseen."""
    ratings = np.zeros_like(rows.ratings)
    theme_folds = group_folds(rows.themes, folds=FOLDS, seed=SEED)
    logits = np.zeros((len(rows.segments), len(CLIP_CLASSES)))
    clip_folds = group_folds(rows.clip_groups.tolist(), folds=FOLDS, seed=SEED)[rows.segment_clips]
    for fold in range(FOLDS):
        unseen = theme_folds == fold
        ratings[unseen] = _fit_affect(rows, ~unseen)(rows.photographs[unseen])
        unseen = clip_folds == fold
        logits[unseen] = _fit_classes(rows, ~unseen)(rows.segments[unseen])
    return HeldOut(ratings, logits)


def _fit_affect(rows: Rows, chosen: NDArray[np.bool_]) -> Linear:
    return fit_ridge(rows.photographs[chosen], rows.ratings[chosen], penalty=RIDGE_PENALTY)


def _fit_classes(rows: Rows, chosen: NDArray[np.bool_]) -> Linear:
    targets = np.eye(len(CLIP_CLASSES))[rows.segment_labels]
    return fit_logistic(rows.segments[chosen], targets[chosen], penalty=LOGISTIC_PENALTY)


def class_to_emotion() -> Floats:
    """`CLASS_TO_EMOTION` as a matrix, shape (6, 6)."""
    return np.array(
        [[CLASS_TO_EMOTION[name].get(emotion, 0.0) for emotion in EMOTIONS] for name in CLIP_CLASSES]
    )


def fit_head(rows: Rows, unseen: HeldOut) -> EmotionHead:
    """The head fitted on everything; its error and temperature come from the held-out outputs."""
    affect = _fit_affect(rows, np.ones(len(rows.photographs), dtype=bool))
    classes = _fit_classes(rows, np.ones(len(rows.segments), dtype=bool))
    temperature = fit_temperature(unseen.logits, rows.segment_labels)
    return EmotionHead(
        feature_name=ImageFeatures.name,
        affect_weights=affect.weights,
        affect_bias=affect.bias,
        affect_error_sd=_error_sd(rows, unseen),
        class_names=CLIP_CLASSES,
        class_weights=classes.weights / temperature,
        class_bias=classes.bias / temperature,
        class_to_emotion=class_to_emotion(),
        affect_share=AFFECT_SHARE,
    )


def _error_sd(rows: Rows, unseen: HeldOut) -> Floats:
    return np.asarray(np.sqrt(((unseen.ratings - rows.ratings) ** 2).mean(axis=0)))


def report(rows: Rows, unseen: HeldOut) -> dict[str, dict[str, float]]:
    """Held-out figures of each reading and of the posterior, beside chance (see docs/emotion.md)."""
    temperature = fit_temperature(unseen.logits, rows.segment_labels)
    classes = softmax(unseen.logits / temperature)
    sizes = np.bincount(rows.clip_labels)
    return {
        "data": {
            "photographs": len(rows.photographs),
            "themes": len(set(rows.themes)),
            "clips": len(rows.clip_labels),
            "clip_groups": len(np.unique(rows.clip_groups)),
            "largest_class_share": sizes.max() / sizes.sum(),
        },
        "photographs": _photograph_figures(rows, unseen),
        "clips_of_30_s": _class_figures(_clip_means(classes, rows), rows.clip_labels),
        "segments_of_5_s": _class_figures(classes, rows.segment_labels) | {"temperature": temperature},
        "ekman_on_segments": _ekman_figures(classes, rows, unseen),
    }


def _clip_means(values: Floats, rows: Rows) -> Floats:
    return np.stack(
        [values[rows.segment_clips == clip].mean(axis=0) for clip in range(len(rows.clip_labels))]
    )


def _photograph_figures(rows: Rows, unseen: HeldOut) -> dict[str, float]:
    error_sd = _error_sd(rows, unseen)
    classes = _fit_classes(rows, np.ones(len(rows.segments), dtype=bool))  # has seen no photograph
    posterior = _pooled(unseen.ratings, error_sd, softmax(classes(rows.photographs)))
    affect = posterior @ RESCALED.means
    return {
        "valence_r": correlation(unseen.ratings[:, 0], rows.ratings[:, 0]),
        "arousal_r": correlation(unseen.ratings[:, 1], rows.ratings[:, 1]),
        "valence_error_sd": float(error_sd[0]),
        "arousal_error_sd": float(error_sd[1]),
        "posterior_valence_r": correlation(affect[:, 0], rows.ratings[:, 0]),
        "posterior_arousal_r": correlation(affect[:, 1], rows.ratings[:, 1]),
    }


def _pooled(ratings: Floats, error_sd: Floats, classes: Floats) -> Floats:
    from_class = classes @ class_to_emotion()
    return np.asarray(AFFECT_SHARE * emotions_near(ratings, error_sd) + (1 - AFFECT_SHARE) * from_class)


def _class_figures(probabilities: Floats, labels: NDArray[np.int64]) -> dict[str, float]:
    predicted = probabilities.argmax(axis=1)
    return {
        "accuracy": accuracy(predicted, labels),
        "macro_f1": macro_f1(predicted, labels),
        "ece": expected_calibration_error(probabilities, labels),
    }


def _ekman_figures(classes: Floats, rows: Rows, unseen: HeldOut) -> dict[str, float]:
    """The six-way posterior on segments whose clip class names a category; chance is their largest class."""
    affect = _fit_affect(rows, np.ones(len(rows.photographs), dtype=bool))  # has seen no clip
    labels = np.array([EMOTIONS.index(EKMAN_CLASSES.get(name, "anger")) for name in CLIP_CLASSES])
    named = np.isin(rows.segment_labels, [CLIP_CLASSES.index(name) for name in EKMAN_CLASSES])
    wanted = labels[rows.segment_labels[named]]
    posterior = _pooled(affect(rows.segments[named]), _error_sd(rows, unseen), classes[named])
    return _class_figures(posterior, wanted) | {
        "segments": int(named.sum()),
        "largest_class_share": float(np.bincount(wanted).max() / named.sum()),
    }


def main() -> None:
    """Read, fit, measure, write and register."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="holds oasis/ and music_video_clips/")
    parser.add_argument("--out", type=Path, default=ASSETS, help="assets folder")
    parser.add_argument("--report", type=Path, default=None, help="write the figures here too, as JSON")
    arguments = parser.parse_args()
    network = ImageFeatures.load(threads=2, folder=arguments.out)
    clips = load_clips(arguments.data / "music_video_clips")
    rows = make_rows(load_oasis(arguments.data / "oasis"), clips, network)
    unseen = held_out(rows)
    (arguments.out / FILE_NAME).write_text(fit_head(rows, unseen).to_json(), encoding="utf-8")
    entry = register_weights(EMOTION_HEAD, (FILE_NAME,), arguments.out)
    figures = json.dumps(report(rows, unseen), indent=2, default=float)
    print(figures, entry, sep="\n")
    if arguments.report:
        arguments.report.write_text(figures + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
