"""Ridge and logistic regression small enough to read, and folds that keep groups together."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from emsync.emotion.pool import logarithm, softmax
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
class Pool:
    """How senses are weighed, see `emsync.emotion.pool.log_pool`; the weights sum to 1."""

    weights: Mapping[str, float]
    temperature: float


def fit_pool(probabilities: Mapping[str, Floats], labels: NDArray[np.int64]) -> Pool:
    """Weights and temperature that make the labels (N,) likeliest, from what each sense says, (N, C).

    The exponents w_s / T of a log-linear pool are >= 0 and their likelihood is concave, so L-BFGS finds the
    best. A sense alone is passed on as it is.
    """
    names = tuple(probabilities)
    if len(names) == 1:
        return Pool({names[0]: 1.0}, 1.0)
    logs = np.stack([logarithm(probabilities[name]) for name in names])  # (S, N, C)
    hits = np.eye(logs.shape[2])[labels]

    def loss_and_slope(exponents: Floats) -> tuple[float, Floats]:
        pooled = softmax(np.tensordot(exponents, logs, 1))
        loss = -(hits * logarithm(pooled)).sum() / len(labels)
        return float(loss), np.asarray((logs * (pooled - hits)).sum(axis=(1, 2)) / len(labels))

    start = np.full(len(names), 1 / len(names))
    bounds = [(0, None)] * len(names)
    exponents = minimize(loss_and_slope, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    total = max(float(exponents.sum()), 1e-6)
    weights = {name: float(value) / total for name, value in zip(names, exponents, strict=True)}
    return Pool(weights, 1 / total)


def group_folds(groups: Sequence[Hashable], *, folds: int, seed: int) -> NDArray[np.int64]:
    """A fold number for each item, shape (N,); items of one group share it. Same seed, same folds."""
    names = sorted(set(groups), key=str)
    np.random.default_rng(seed).shuffle(names)
    fold_of = {name: index % folds for index, name in enumerate(names)}
    return np.array([fold_of[group] for group in groups])
