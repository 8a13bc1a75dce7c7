"""Held-out figures of the emotion head, beside chance: the tables of docs/emotion.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emsync.emotion.affect import RESCALED
from emsync.emotion.head import EmotionHead, affect_of_classes, emotions_near, softmax, stretched
from emsync.types import EMOTIONS, Floats
from emsync_train.emotion.data import CLIP_CLASSES
from emsync_train.emotion.measure import accuracy, correlation, expected_calibration_error, macro_f1
from emsync_train.emotion.rows import ClassProbabilities, HeldOut, Labels, Rows, cross_calibrated

EKMAN_CLASSES = {"Excited": "joy", "Fear": "fear", "Sad": "sadness"}
"""Clip classes that name an Ekman category outright: the only ones on which the posterior can be scored."""

SENSES = ("image", "sound", "fused")

Figures = dict[str, Any]


def report(rows: Rows, draws: Sequence[HeldOut], head: EmotionHead) -> dict[str, Figures]:
    """Figures of each sense, of both together and of the affect they give, averaged over draws of the folds.

    The head gives its fixed tables, its calibration and the readings of what their own fit never saw:
    photographs for the clip reading, clips for the affect reading.
    """
    classes = [cross_calibrated(rows, unseen) for unseen in draws]
    sizes = np.bincount(rows.clip_labels)
    return {
        "data": {
            "photographs": len(rows.photographs),
            "themes": len(set(rows.themes)),
            "clips": len(rows.clip_labels),
            "clip_groups": len(np.unique(rows.clip_groups)),
            "segments": len(rows.segment_clips),
            "segments_without_sound": int((~rows.has_sound).sum()),
        },
        "calibration": {
            "image_weight": round(head.image_weight, 3),
            "fusion_temperature": round(head.fusion_temperature, 3),
            "rated_gain": _numbers(head.rated_gain),
            "rated_centre": _numbers(head.rated_centre),
        },
        "chance": _class_figures(
            np.tile(sizes / sizes.sum(), (len(sizes), 1))[rows.clip_labels], rows.clip_labels
        ),
        "clips_of_30_s": {
            sense: _averaged(
                [_class_figures(_clip_means(getattr(one, sense), rows), rows.clip_labels) for one in classes]
            )
            for sense in SENSES
        },
        "segments_of_5_s": {
            sense: _averaged([_class_figures(getattr(one, sense), rows.segment_labels) for one in classes])
            for sense in SENSES
        },
        "ekman_on_segments": _averaged([_ekman_figures(one, rows, head) for one in classes]),
        "photographs": _averaged([_photograph_figures(rows, unseen, head) for unseen in draws]),
        "affect_on_segments": _averaged([_affect_figures(one, rows, head) for one in classes]),
    }


def _averaged(drawn: Sequence[Any]) -> Any:
    """Figures of the same shape, number by number: their mean; of accuracies the deviation over draws as well."""
    first = drawn[0]
    if isinstance(first, dict):
        means = {name: _averaged([figures[name] for figures in drawn]) for name in first}
        if "accuracy" in first:
            means["accuracy_sd"] = _number(float(np.std([figures["accuracy"] for figures in drawn])))
        return means
    if isinstance(first, list):
        return [_averaged(values) for values in zip(*drawn, strict=True)]
    return _number(float(np.mean(drawn)))


def _class_figures(probabilities: Floats, labels: Labels) -> Figures:
    predicted = probabilities.argmax(axis=1)
    return {
        "accuracy": _number(accuracy(predicted, labels)),
        "macro_f1": _number(macro_f1(predicted, labels)),
        "ece": _number(expected_calibration_error(probabilities, labels)),
    }


def _clip_means(values: Floats, rows: Rows) -> Floats:
    return np.stack(
        [values[rows.segment_clips == clip].mean(axis=0) for clip in range(len(rows.clip_labels))]
    )


def _photograph_figures(rows: Rows, unseen: HeldOut, head: EmotionHead) -> Figures:
    """Ratings of held-out photographs; the clip reading has seen no photograph."""
    classes = softmax(rows.photographs @ head.image.weights + head.image.bias)
    paper = _posterior(unseen.ratings, classes, head) @ RESCALED.means
    rated = _rated(unseen.ratings, classes, head)
    error_sd = np.sqrt(((unseen.ratings - rows.ratings) ** 2).mean(axis=0))
    return {
        "error_sd": _numbers(error_sd),
        "r_affect_reading": _correlations(unseen.ratings, rows.ratings),
        "r_paper_mapping": _correlations(paper, rows.ratings),
        "r_rated_mapping": _correlations(rated, rows.ratings),
    }


def _affect_figures(classes: ClassProbabilities, rows: Rows, head: EmotionHead) -> Figures:
    """Valence and arousal of held-out segments against the affect of their class, by both mappings."""
    ratings = rows.image @ head.affect_weights + head.affect_bias  # has seen no clip
    wanted = head.class_affect[rows.segment_labels]
    estimates = {
        "affect_reading": ratings,
        "rated_image": _rated(ratings, classes.image, head),
        "rated_sound": stretched(affect_of_classes(classes.sound, head.class_affect), head.rated_gain),
        "rated_fused": _rated(ratings, classes.fused, head),
        "paper_fused": _posterior(ratings, classes.fused, head) @ RESCALED.means,
    }
    return {
        name: {
            "r": _correlations(values, wanted),
            "rms_error": _numbers(np.sqrt(((values - wanted) ** 2).mean(axis=0))),
            "class_means": {
                label: _numbers(values[rows.segment_labels == index].mean(axis=0))
                for index, label in enumerate(CLIP_CLASSES)
                if (rows.segment_labels == index).any()
            },
        }
        for name, values in estimates.items()
    }


def _ekman_figures(classes: ClassProbabilities, rows: Rows, head: EmotionHead) -> Figures:
    """The six-way posterior on segments whose clip class names a category; chance is their largest class."""
    labels = np.array([EMOTIONS.index(EKMAN_CLASSES.get(name, "anger")) for name in CLIP_CLASSES])
    named = np.isin(rows.segment_labels, [CLIP_CLASSES.index(name) for name in EKMAN_CLASSES])
    wanted = labels[rows.segment_labels[named]]
    ratings = rows.image[named] @ head.affect_weights + head.affect_bias
    return {
        "segments": int(named.sum()),
        "largest_class_share": _number(float(np.bincount(wanted).max() / named.sum())),
        "image": _class_figures(_posterior(ratings, classes.image[named], head), wanted),
        "sound": _class_figures(classes.sound[named] @ head.class_to_emotion, wanted),
        "fused": _class_figures(_posterior(ratings, classes.fused[named], head), wanted),
    }


def _posterior(ratings: Floats, classes: Floats, head: EmotionHead) -> Floats:
    from_affect = emotions_near(ratings, head.affect_error_sd)
    return np.asarray(
        head.affect_share * from_affect + (1 - head.affect_share) * classes @ head.class_to_emotion
    )


def _rated(ratings: Floats, classes: Floats, head: EmotionHead) -> Floats:
    from_class = affect_of_classes(classes, head.class_affect)
    both = head.rated_share * (ratings - head.rated_centre) + (1 - head.rated_share) * from_class
    return stretched(both, head.rated_gain)


def _correlations(left: Floats, right: Floats) -> list[float]:
    return [_number(correlation(left[:, axis], right[:, axis])) for axis in range(2)]


def _numbers(values: NDArray[np.float64]) -> list[float]:
    return [_number(float(value)) for value in values]


def _number(value: float) -> float:
    return round(value, 3)
