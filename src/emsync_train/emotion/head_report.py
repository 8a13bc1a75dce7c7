"""Held-out figures of the emotion head, beside chance: the tables of docs/emotion.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emsync.emotion.affect import RESCALED
from emsync.emotion.head import EmotionHead
from emsync.emotion.moments import Array, SenseFeatures
from emsync.emotion.pool import NAMING_SHARES
from emsync.types import EMOTIONS, Floats
from emsync_train.emotion.data import CLIP_CLASSES
from emsync_train.emotion.measure import accuracy, correlation, expected_calibration_error, log_loss, macro_f1
from emsync_train.emotion.rows import HeldOut, Labels, Rows, cross_calibrated

EKMAN_CLASSES = {"Excited": "joy", "Fear": "fear", "Sad": "sadness"}
"""Clip classes that name an Ekman category outright: the only ones on which the posterior can be scored."""

Figures = dict[str, Any]


@dataclass(frozen=True)
class Choice:
    """Some of the senses, and the clip classes that its learned ones give when held out, (S, 6)."""

    senses: tuple[str, ...]
    classes: Floats


def choices_of(names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Which senses are measured together: each alone, all, and all but one.

    >>> choices_of(["image", "sound"])
    {'image': ('image',), 'sound': ('sound',), 'all': ('image', 'sound')}
    """
    chosen = {name: (name,) for name in names} | {"all": tuple(names)}
    if len(names) > 2:
        chosen |= {f"all but {name}": tuple(other for other in names if other != name) for name in names}
    return chosen


def report(rows: Rows, draws: Sequence[HeldOut], head: EmotionHead) -> dict[str, Figures]:
    """Figures of each sense, of all, of all but one, and of the affect they give, averaged over draws of folds.

    The head gives its fixed tables, its calibration and the readings of what their own fit never saw:
    photographs for the clip reading, clips for the affect reading.
    """
    chosen = [_choices(rows, unseen) for unseen in draws]
    return {
        "data": _data_figures(rows),
        "calibration": {
            "pool_weights": {name: _number(one.pool_weight) for name, one in head.readings.items()},
            "pool_temperature": _number(head.pool_temperature),
            "naming_shares": {name: NAMING_SHARES[name] for name in rows.senses if name in NAMING_SHARES},
            "rated_gain": _numbers(head.rated_gain),
            "rated_centre": _numbers(head.rated_centre),
        },
        "chance": _chance(rows),
        "clips_of_30_s": _averaged([_clip_figures(one, rows) for one in chosen]),
        "segments_of_5_s": _averaged([_segment_figures(one, rows) for one in chosen]),
        "ekman_on_segments": _averaged([_ekman_figures(one, rows, head) for one in chosen]),
        "photographs": _averaged([_photograph_figures(rows, unseen, head) for unseen in draws]),
        "affect_on_segments": _averaged([_affect_figures(one, rows, head) for one in chosen]),
    }


def _choices(rows: Rows, unseen: HeldOut) -> dict[str, Choice]:
    made = {}
    for title, names in choices_of(tuple(rows.senses)).items():
        learned = [name for name in names if name in rows.learned]
        made[title] = Choice(names, cross_calibrated(rows, unseen, learned))
    return made


def _data_figures(rows: Rows) -> Figures:
    return {
        "photographs": len(rows.photographs),
        "themes": len(set(rows.themes)),
        "clips": len(rows.clip_labels),
        "clip_groups": len(np.unique(rows.clip_groups)),
        "segments": len(rows.segment_clips),
        "segments_known": {name: int(one.is_known.sum()) for name, one in rows.senses.items()},
    }


def _chance(rows: Rows) -> Figures:
    sizes = np.bincount(rows.clip_labels)
    return _class_figures(np.tile(sizes / sizes.sum(), (len(rows.clip_labels), 1)), rows.clip_labels)


def _clip_figures(chosen: Mapping[str, Choice], rows: Rows) -> Figures:
    return {
        title: _class_figures(_clip_means(one.classes, rows), rows.clip_labels)
        for title, one in _that_name_classes(chosen, rows)
    }


def _segment_figures(chosen: Mapping[str, Choice], rows: Rows) -> Figures:
    return {
        title: _class_figures(one.classes, rows.segment_labels)
        for title, one in _that_name_classes(chosen, rows)
    }


def _that_name_classes(chosen: Mapping[str, Choice], rows: Rows) -> list[tuple[str, Choice]]:
    """Choices that differ from others by naming senses alone are left out: those give no clip class."""
    is_learned = {title: set(one.senses) & set(rows.learned) for title, one in chosen.items()}
    return [
        (title, one)
        for title, one in chosen.items()
        if is_learned[title] and (title == "all" or is_learned[title] != set(rows.learned))
    ]


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
        "log_loss": _number(log_loss(probabilities, labels)),
    }


def _clip_means(values: Floats, rows: Rows) -> Floats:
    return np.stack(
        [values[rows.segment_clips == clip].mean(axis=0) for clip in range(len(rows.clip_labels))]
    )


def _photograph_figures(rows: Rows, unseen: HeldOut, head: EmotionHead) -> Figures:
    """Ratings of held-out photographs; the clip reading has seen no photograph."""
    seen = {"image": SenseFeatures(rows.photographs, np.ones(len(rows.photographs), np.bool_))}
    error_sd = np.sqrt(((unseen.ratings - rows.ratings) ** 2).mean(axis=0))
    judge = _RatedBy(**{**vars(head), "ratings_given": unseen.ratings})
    return {
        "error_sd": _numbers(error_sd),
        "r_affect_reading": _correlations(unseen.ratings, rows.ratings),
        "r_paper_mapping": _correlations(judge.probabilities(seen) @ RESCALED.means, rows.ratings),
        "r_rated_mapping": _correlations(judge.affect(seen), rows.ratings),
    }


@dataclass(frozen=True)
class _RatedBy(EmotionHead):
    """A head whose affect reading is that of a fold which did not see the photographs."""

    ratings_given: Floats

    def ratings(self, image_features: Array) -> Floats:
        """The held-out ratings, shape (N, 2)."""
        return self.ratings_given


def _affect_figures(chosen: Mapping[str, Choice], rows: Rows, head: EmotionHead) -> Figures:
    """Valence and arousal of held-out segments against the affect of their class, by both mappings."""
    estimates = {"affect reading": head.ratings(rows.senses["image"].values)}  # has seen no clip
    for title, one in chosen.items():
        estimates[f"rated, {title}"] = head.affect_given(one.classes, rows.of(one.senses))
    everything = chosen["all"]
    paper = head.probabilities_given(everything.classes, rows.of(everything.senses)) @ RESCALED.means
    estimates["paper, all"] = paper
    return {title: _affect_row(values, rows, head) for title, values in estimates.items()}


def _affect_row(values: Floats, rows: Rows, head: EmotionHead) -> Figures:
    wanted = head.class_affect[rows.segment_labels]
    return {
        "r": _correlations(values, wanted),
        "rms_error": _numbers(np.sqrt(((values - wanted) ** 2).mean(axis=0))),
        "class_means": {
            label: _numbers(values[rows.segment_labels == index].mean(axis=0))
            for index, label in enumerate(CLIP_CLASSES)
            if (rows.segment_labels == index).any()
        },
    }


def _ekman_figures(chosen: Mapping[str, Choice], rows: Rows, head: EmotionHead) -> Figures:
    """The six-way posterior on segments whose clip class names a category; chance is their largest class."""
    labels = np.array([EMOTIONS.index(EKMAN_CLASSES.get(name, "anger")) for name in CLIP_CLASSES])
    named = np.isin(rows.segment_labels, [CLIP_CLASSES.index(name) for name in EKMAN_CLASSES])
    wanted = labels[rows.segment_labels[named]]
    figures: Figures = {
        "segments": int(named.sum()),
        "largest_class_share": _number(float(np.bincount(wanted).max() / named.sum())),
    }
    for title, one in chosen.items():
        probabilities = head.probabilities_given(one.classes, rows.of(one.senses))[named]
        figures[title] = _class_figures(probabilities, wanted)
    return figures


def _correlations(left: Floats, right: Floats) -> list[float]:
    return [_number(correlation(left[:, axis], right[:, axis])) for axis in range(2)]


def _numbers(values: NDArray[np.float64]) -> list[float]:
    return [_number(float(value)) for value in values]


def _number(value: float) -> float:
    return round(value, 3)
