"""Cross-attention against late fusion, on the labelled clips and the features that the project really ships.

    OMP_NUM_THREADS=1 python -m emsync_train.emotion.vemoclap.compare --data DIR \
        --report benchmarks/results/emotion_fusion.json

DIR holds `music_video_clips/`. Both heads get the same picture and sound features, the same groups of clips held
out, and their probabilities the same calibration: a temperature for each fold, fitted on the other nine.
`--cache FILE.npz` keeps the features between runs.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emsync.emotion.pool import softmax
from emsync.types import Floats
from emsync_train.emotion.data import CLIP_CLASSES
from emsync_train.emotion.fit import fit_logistic, fit_temperature, group_folds
from emsync_train.emotion.measure import accuracy, expected_calibration_error, macro_f1
from emsync_train.emotion.vemoclap.clip_features import SEGMENTS, ClipFeatures, read_clip_features
from emsync_train.emotion.vemoclap.contract import Examples
from emsync_train.emotion.vemoclap.fusion import FusionConfig, Missing, parameter_count
from emsync_train.emotion.vemoclap.fusion_training import TrainingOptions, class_logits, train_fusion

FOLDS, DRAWS = 10, 2
LOGISTIC_PENALTY = 2e-3
OPTIONS = TrainingOptions(epochs=20, patience=3, learning_rate=5e-5)
DROPOUT = 0.2
"""Set once, not tuned: on one fold of segments, at a rate of 1e-4 without dropout, the first epoch was the best."""

COMMAND = (
    "OMP_NUM_THREADS=1 python -m emsync_train.emotion.vemoclap.compare --data DIR "
    "--report benchmarks/results/emotion_fusion.json"
)

Labels = NDArray[np.int64]
Figures = dict[str, Any]


@dataclass(frozen=True)
class Answers:
    """Probabilities of held-out films, shape (N, 6): with the picture alone, the sound alone, and both."""

    image: Floats
    sound: Floats
    fused: Floats


Head = Callable[[Examples, Labels, int], Answers]
"""Examples, the fold of each, and a seed: what the head says of each fold after training on the others."""


def late_fusion(examples: Examples, folds: Labels, seed: int) -> Answers:
    """The shipped rule: a logistic regression for each sense, log-probabilities weighed and sharpened."""
    del seed  # nothing in it is random
    image, sound = senses = [_single_sense(examples, number, folds) for number in range(2)]
    return Answers(
        image, sound, _by_fold(folds, lambda seen, unseen: _pooled(senses, examples, seen, unseen))
    )


def _single_sense(examples: Examples, number: int, folds: Labels) -> Floats:
    """Calibrated probabilities of one sense; equally likely classes where it is missing."""
    is_known = np.array([film[number] is not None for film in examples.features])
    means = np.zeros((len(folds), examples.specs[number].dimension))
    for row, film in zip(means, examples.features, strict=True):
        steps = film[number]
        if steps is not None:
            row[:] = np.square(steps, dtype=np.float64).mean(axis=0)
    rows, targets = np.sqrt(means), np.eye(len(CLIP_CLASSES))[examples.labels]

    def logits_of(seen: Labels, unseen: Labels) -> Floats:
        heard = seen[is_known[seen]]
        fitted = fit_logistic(rows[heard], targets[heard], penalty=LOGISTIC_PENALTY)
        return np.asarray(fitted(rows[unseen]) * is_known[unseen, None])

    return _calibrated(_by_fold(folds, logits_of), examples.labels, folds)


def _pooled(senses: Sequence[Floats], examples: Examples, seen: Labels, unseen: Labels) -> Floats:
    """p ~ p_image^(w / T) p_sound^((1 - w) / T); w and T make the labels of other folds likeliest."""
    image, sound = (np.log(np.maximum(sense, 1e-12)) for sense in senses)
    labels, best, found = examples.labels[seen], -np.inf, (0.5, 1.0)
    for weight in np.linspace(0, 1, 21):
        logs = weight * image[seen] + (1 - weight) * sound[seen]
        temperature = fit_temperature(logs, labels)
        likelihood = -_surprise(softmax(logs / temperature), labels)
        if likelihood > best:
            best, found = likelihood, (float(weight), temperature)
    weight, temperature = found
    return softmax((weight * image[unseen] + (1 - weight) * sound[unseen]) / temperature)


def cross_attention(examples: Examples, folds: Labels, seed: int, missing: Missing = "mask") -> Answers:
    """The paper's head; a missing sense is simulated by hiding it from the trained head."""
    config = FusionConfig(examples.specs, classes=len(CLIP_CLASSES), missing=missing, dropout=DROPOUT)
    logits = [np.zeros((len(folds), config.classes)) for _ in range(3)]
    for fold in range(FOLDS):
        seen, unseen = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        trained = train_fusion(examples.chosen(seen), config, replace(OPTIONS, seed=seed))
        for values, shown in zip(logits, ((0,), (1,), (0, 1)), strict=True):
            values[unseen] = class_logits(trained.head, _showing(examples.chosen(unseen), shown))
    return Answers(*(_calibrated(values, examples.labels, folds) for values in logits))


def _showing(examples: Examples, shown: Sequence[int]) -> Examples:
    hidden = [
        tuple(values if number in shown else None for number, values in enumerate(film))
        for film in examples.features
    ]
    return replace(examples, features=hidden)


def _by_fold(folds: Labels, answer: Callable[[Labels, Labels], Floats]) -> Floats:
    """Answers to each fold from all others, put together."""
    answers = np.zeros((len(folds), len(CLIP_CLASSES)))
    for fold in np.unique(folds):
        unseen = np.flatnonzero(folds == fold)
        answers[unseen] = answer(np.flatnonzero(folds != fold), unseen)
    return answers


def _calibrated(logits: Floats, labels: Labels, folds: Labels) -> Floats:
    return _by_fold(
        folds,
        lambda seen, unseen: softmax(logits[unseen] / fit_temperature(logits[seen], labels[seen])),
    )


def compare(clips: ClipFeatures, *, draws: int = DRAWS) -> Figures:
    """Figures of both heads on segments of 5 s and whole clips, averaged over draws of the folds."""
    segments, whole = clips.segments(), clips.whole()
    size = FusionConfig(segments.specs, classes=len(CLIP_CLASSES))
    return {
        "data": {"clips": len(whole.labels), "groups": len(np.unique(whole.groups)), "draws": draws},
        "late_fusion_on_segments": _measured(late_fusion, segments, draws),
        "cross_attention_on_segments": {
            "parameters": parameter_count(size),
            **_measured(cross_attention, segments, draws),
        },
        "cross_attention_with_zeros_on_segments": _measured(
            partial(cross_attention, missing="zeros"), segments, draws
        ),
        "late_fusion_on_whole_clips": _measured(late_fusion, whole, draws),
        "cross_attention_on_whole_clips": _measured(cross_attention, whole, draws),
    }


def _measured(head: Head, examples: Examples, draws: int) -> Figures:
    """Figures over films as they are and, where films are segments, over whole clips by their mean."""
    started_s = time.process_time()
    drawn = []
    for seed in range(draws):
        folds = group_folds(examples.groups.tolist(), folds=FOLDS, seed=seed)
        answers = head(examples, folds, seed)
        drawn.append(
            {name: _figures(getattr(answers, name), examples) for name in ("image", "sound", "fused")}
        )
    seconds = (time.process_time() - started_s) / draws / FOLDS
    return {
        "cpu_s_a_fold": round(seconds, 1),
        **{name: _averaged([d[name] for d in drawn]) for name in drawn[0]},
    }


def _figures(probabilities: Floats, examples: Examples) -> dict[str, dict[str, float]]:
    labels = examples.labels
    figures = {"films": _scores(probabilities, labels)}
    if len(labels) % SEGMENTS == 0 and _is_cut(labels, examples.groups):
        means = probabilities.reshape(-1, SEGMENTS, probabilities.shape[1]).mean(axis=1)
        figures["clips"] = _scores(means, labels[::SEGMENTS])
    return figures


def _is_cut(labels: Labels, groups: Labels) -> bool:
    """Whether films are segments: every six in a row share label and group."""
    return all((rows.reshape(-1, SEGMENTS) == rows[::SEGMENTS, None]).all() for rows in (labels, groups))


def _scores(probabilities: Floats, labels: Labels) -> dict[str, float]:
    predicted = probabilities.argmax(axis=1)
    return {
        "accuracy": accuracy(predicted, labels),
        "macro_f1": macro_f1(predicted, labels),
        "ece": expected_calibration_error(probabilities, labels),
        "nll": _surprise(probabilities, labels),
    }


def _surprise(probabilities: Floats, labels: Labels) -> float:
    """Mean negative log-likelihood of the labels, in nats."""
    return float(-np.log(probabilities[np.arange(len(labels)), labels] + 1e-12).mean())


def _averaged(drawn: Sequence[dict[str, dict[str, float]]]) -> Figures:
    averaged: Figures = {}
    for unit in drawn[0]:
        values = {name: [figures[unit][name] for figures in drawn] for name in drawn[0][unit]}
        averaged[unit] = {name: round(float(np.mean(numbers)), 3) for name, numbers in values.items()}
        averaged[unit]["accuracy_sd"] = round(float(np.std(values["accuracy"])), 3)
    return averaged


def main() -> None:
    """Read, compare, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="holds music_video_clips/")
    parser.add_argument("--cache", type=Path, default=None, help="keep the features here (.npz)")
    parser.add_argument("--draws", type=int, default=DRAWS, help="how often the folds are drawn anew")
    parser.add_argument("--report", type=Path, default=None, help="write the figures here too, as JSON")
    arguments = parser.parse_args()
    clips = read_clip_features(arguments.data / "music_video_clips", cache=arguments.cache)
    figures = json.dumps({"command": COMMAND, **compare(clips, draws=arguments.draws)}, indent=1)
    print(figures)
    if arguments.report:
        arguments.report.write_text(figures + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
