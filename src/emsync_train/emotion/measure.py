"""How good a classifier is: accuracy, macro-F1, calibration, correlation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emsync.types import Floats

Labels = NDArray[np.int64]


def accuracy(predicted: Labels, labels: Labels) -> float:
    """Share of items whose prediction is their label; both of shape (N,)."""
    return float((predicted == labels).mean())


def macro_f1(predicted: Labels, labels: Labels) -> float:
    """Mean over the classes that occur in `labels` of 2 TP / (2 TP + FP + FN)."""
    scores = []
    for label in np.unique(labels):
        hits = ((predicted == label) & (labels == label)).sum()
        scores.append(2 * hits / ((predicted == label).sum() + (labels == label).sum()))
    return float(np.mean(scores))


def expected_calibration_error(probabilities: Floats, labels: Labels, *, bins: int = 10) -> float:
    """Mean gap between confidence and accuracy over bins of equal width, weighted by their items.

    Args:
        probabilities: shape (N, K).
        labels: shape (N,).
    Source: Guo et al. 2017 (arXiv:1706.04599).
    """
    confidence = probabilities.max(axis=1)
    is_right = probabilities.argmax(axis=1) == labels
    bin_of = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [
        abs(confidence[bin_of == index].mean() - is_right[bin_of == index].mean()) * (bin_of == index).mean()
        for index in np.unique(bin_of)
    ]
    return float(sum(gaps))


def log_loss(probabilities: Floats, labels: Labels) -> float:
    """Mean negative log-likelihood of the labels (N,) in nats; probabilities (N, K), 1e-12 at least."""
    return float(-np.log(np.maximum(probabilities[np.arange(len(labels)), labels], 1e-12)).mean())


def correlation(left: Floats, right: Floats) -> float:
    """Pearson's r of two arrays of shape (N,)."""
    return float(np.corrcoef(left, right)[0, 1])
