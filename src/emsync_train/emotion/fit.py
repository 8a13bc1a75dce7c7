"""Ridge and logistic regression small enough to read, and folds that keep groups together."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from emsync.emotion.head import fused, softmax
from emsync.types import Floats

SCALE_FLOOR = 1e-2
"""Added to a feature's deviation, so that one that hardly varies is not blown up."""


@dataclass(frozen=True)
class Linear:
    """x @ weights + bias: weights (D, K), bias (K,)."""

    weights: Floats
    bias: Floats

    def __call__(self, inputs: Floats) -> Floats:
        """Outputs, shape (N, K)."""
        return np.asarray(inputs @ self.weights + self.bias)


@dataclass(frozen=True)
class _Scaler:
    """Features to zero mean, deviation about 1 / sqrt(D), so that a penalty means the same for every D."""

    mean: Floats
    scale: Floats

    @classmethod
    def of(cls, inputs: Floats) -> _Scaler:
        scale = (inputs.std(axis=0) + SCALE_FLOOR) * np.sqrt(inputs.shape[1])
        return cls(inputs.mean(axis=0), scale)

    def __call__(self, inputs: Floats) -> Floats:
        return np.asarray((inputs - self.mean) / self.scale)

    def undone(self, weights: Floats, bias: Floats) -> Linear:
        """The same map for inputs that were not scaled."""
        plain = weights / self.scale[:, None]
        return Linear(plain, bias - self.mean @ plain)


def fit_ridge(inputs: Floats, targets: Floats, *, penalty: float) -> Linear:
    """Ridge regression in its dual form; inputs (N, D), targets (N, K); the bias is not penalised."""
    scaler = _Scaler.of(inputs)
    scaled = scaler(inputs)
    mean = targets.mean(axis=0)
    gram = scaled @ scaled.T + penalty * np.eye(len(scaled))
    return scaler.undone(scaled.T @ np.linalg.solve(gram, targets - mean), mean)


def fit_logistic(inputs: Floats, targets: Floats, *, penalty: float) -> Linear:
    """Multinomial logistic regression by L-BFGS, from zero; targets (N, K) are distributions.

    Minimises mean cross-entropy + penalty / 2 * sum of squared weights, in the span of the inputs.
    """
    scaler = _Scaler.of(inputs)
    left, singular, right = np.linalg.svd(scaler(inputs), full_matrices=False)
    reduced = left * singular
    count, classes = targets.shape

    def loss_and_slope(flat: Floats) -> tuple[float, Floats]:
        weights, bias = _split(flat, classes)
        probabilities = softmax(reduced @ weights + bias)
        error = (probabilities - targets) / count
        loss = -(targets * np.log(probabilities + 1e-12)).sum() / count + penalty / 2 * (weights**2).sum()
        slope = np.vstack([reduced.T @ error + penalty * weights, error.sum(axis=0)])
        return float(loss), slope.ravel()

    start = np.zeros((reduced.shape[1] + 1) * classes)
    found = minimize(loss_and_slope, start, jac=True, method="L-BFGS-B", options={"maxiter": 500})
    weights, bias = _split(found.x, classes)
    return scaler.undone(right.T @ weights, bias)


def _split(flat: Floats, classes: int) -> tuple[Floats, Floats]:
    table = flat.reshape(-1, classes)
    return table[:-1], table[-1]


def fit_temperature(logits: Floats, labels: NDArray[np.int64]) -> float:
    """The divisor of held-out logits (N, K) that makes their labels (N,) likeliest, from 0.25 to 4."""
    candidates = np.geomspace(0.25, 4, 81)
    rows = np.arange(len(labels))
    likelihoods = [np.log(softmax(logits / value)[rows, labels] + 1e-12).mean() for value in candidates]
    return float(candidates[int(np.argmax(likelihoods))])


@dataclass(frozen=True)
class Fusion:
    """How two senses are weighed, see `emsync.emotion.head.fused`."""

    image_weight: float
    temperature: float

    def __call__(self, image: Floats, sound: Floats) -> Floats:
        """What both say together, shape (N, C)."""
        return fused(image, sound, image_weight=self.image_weight, temperature=self.temperature)


def fit_fusion(image: Floats, sound: Floats, labels: NDArray[np.int64]) -> Fusion:
    """Weight (steps of 0.05) and temperature that make the labels (N,) likeliest; inputs (N, C)."""
    found, best = Fusion(0.5, 1.0), -np.inf
    rows = np.arange(len(labels))
    for weight in np.linspace(0, 1, 21):
        logs = np.log(fused(image, sound, image_weight=float(weight), temperature=1.0))
        temperature = fit_temperature(logs, labels)
        likelihood = np.log(softmax(logs / temperature)[rows, labels] + 1e-12).mean()
        if likelihood > best:
            found, best = Fusion(float(weight), temperature), likelihood
    return found


def group_folds(groups: Sequence[Hashable], *, folds: int, seed: int) -> NDArray[np.int64]:
    """A fold number for each item, shape (N,); items of one group share it. Same seed, same folds."""
    names = sorted(set(groups), key=str)
    np.random.default_rng(seed).shuffle(names)
    fold_of = {name: index % folds for index, name in enumerate(names)}
    return np.array([fold_of[group] for group in groups])
