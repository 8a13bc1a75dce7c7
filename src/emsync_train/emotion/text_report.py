"""How well sentences are read: macro-F1, accuracy, calibration, and how many say nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from emsync.emotion.text_emotion import TextEmotion
from emsync.types import NAMED, Floats
from emsync_train.emotion.measure import Labels, accuracy, expected_calibration_error, macro_f1


def report(reader: TextEmotion, tokens: list[list[str]], targets: Floats) -> dict[str, Any]:
    """Figures on the sentences with one label, those that would say nothing in a film included; `targets` (N, 7)."""
    single = np.flatnonzero((targets > 0).sum(axis=1) == 1)
    labels: Labels = targets[single].argmax(axis=1).astype(np.int64)
    probabilities = np.array([reader.probabilities(tokens[index]) for index in single])
    predicted: Labels = probabilities.argmax(axis=1).astype(np.int64)
    likely = np.log(np.maximum(probabilities[np.arange(labels.size), labels], 1e-12))
    return {
        "sentences": int(single.size),
        "macro_f1": round(macro_f1(predicted, labels), 3),
        "accuracy": round(accuracy(predicted, labels), 3),
        "ece": round(expected_calibration_error(probabilities, labels), 3),
        "negative_log_likelihood": round(-float(likely.mean()), 3),
        "largest_class": round(float(np.bincount(labels).max() / labels.size), 3),
        "understood": round(float(np.mean([reader.is_understood(tokens[index]) for index in single])), 3),
        "f1": {name: round(_f1(predicted == index, labels == index), 3) for index, name in enumerate(NAMED)},
    }


def _f1(predicted: Any, wanted: Any) -> float:
    """2 TP / (2 TP + FP + FN), both masks of shape (N,); 0 if there is none of either."""
    return float(2 * (predicted & wanted).sum() / max(1, predicted.sum() + wanted.sum()))
