"""The fitted part of the classifier: what the senses say of a shot -> emotion probabilities and affect.

Three readings, pooled:

1. *Clip reading.* For each sense that was learned, a logistic regression names the mood class of a film clip
   (Excited, Fear, Neutral, Relaxation, Sad, Tension). The log-probabilities of those that spoke are averaged
   with fitted weights (`pool.log_pool`); where none did, every class is equally likely.
2. *Affect reading*, of the picture only. A ridge regression estimates the valence and arousal people would
   rate (OASIS norms).
3. *Naming senses* (a face, a sentence) say themselves which emotion they show; each takes a fixed share
   (`pool.NAMING_SHARES`) of the outcome where it spoke.

From these come probabilities over the six categories (fixed tables say what classes and ratings stand for)
and, beside them, valence and arousal, because no mixture of the six categories is calm.

Fitted by `emsync_train.emotion.train_head`; how well, in docs/emotion.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from emsync.emotion.affect import RATED
from emsync.emotion.moments import Array, Mask, SenseFeatures, ShotFeatures
from emsync.emotion.pool import (
    NAMING_SHARES,
    affect_named,
    emotions_named,
    log_pool,
    logarithm,
    share_out,
    softmax,
)
from emsync.errors import WeightsError
from emsync.types import EMOTIONS, Floats
from emsync.weights import REINSTALL

EMOTION_HEAD = "emotion_head"
"""Name of the weights in the manifest."""

HEAD_FORMAT = "emsync-emotion-head"
HEAD_VERSION = 3
SIGNIFICANT_DIGITS = 6

RATED_SENSE = "image"
"""The sense whose features the affect reading takes."""


@dataclass(frozen=True)
class SenseReading:
    """Logistic regression on the features called `feature_name`: `weights` (D, C), `bias` (C,).

    `pool_weight` >= 0 says how much it counts beside the other senses.
    """

    feature_name: str
    weights: Floats
    bias: Floats
    pool_weight: float = 1.0

    @property
    def dimension(self) -> int:
        """Length D of the feature vectors it was fitted to."""
        return int(self.weights.shape[0])

    def probabilities(self, features: Array) -> Floats:
        """Calibrated probabilities of the clip classes, shape (N, C); the features have shape (N, D)."""
        return softmax(compressed(features) @ self.weights + self.bias)


@dataclass(frozen=True)
class EmotionHead:
    """Fitted numbers. D is the length of an image feature vector, C the number of clip classes.

    Clip reading: `readings` by sense, pooled at `pool_temperature` > 0; row c of `class_to_emotion` (C, 6) is
    the distribution over `EMOTIONS` that class c stands for, row c of `class_affect` (C, 2) its valence and
    arousal.

    Affect reading: `affect_weights` (D, 2) and `affect_bias` (2,) give ratings in [-1, 1], right within
    `affect_error_sd` (2,). `affect_share` in [0, 1] is its weight in the probabilities, `rated_share` (2,)
    that in valence and arousal, where `rated_centre` (2,), the average rating, counts as nothing in
    particular. `rated_gain` (2,) gives the estimates the spread of the labels (see `stretched`).
    """

    class_names: tuple[str, ...]
    readings: Mapping[str, SenseReading]
    pool_temperature: float
    class_to_emotion: Floats
    class_affect: Floats
    affect_weights: Floats
    affect_bias: Floats
    affect_error_sd: Floats
    affect_share: float
    rated_share: Floats
    rated_centre: Floats
    rated_gain: Floats

    def __post_init__(self) -> None:
        if RATED_SENSE not in self.readings:
            raise ValueError(f"a reading of the {RATED_SENSE} is needed, got {sorted(self.readings)}")
        for name, reading in self.readings.items():
            self._check_reading(name, reading)
        for name, shape in self._shapes().items():
            _check_numbers(name, getattr(self, name), shape)
        if not np.allclose(self.class_to_emotion.sum(axis=1), 1, atol=1e-4):
            raise ValueError("every row of class_to_emotion must sum to 1")
        if not 0 <= self.affect_share <= 1:
            raise ValueError(f"affect_share must lie in [0, 1], got {self.affect_share}")
        if not (np.isfinite(self.pool_temperature) and self.pool_temperature > 0):
            raise ValueError(f"pool_temperature must be positive, got {self.pool_temperature}")
        if not sum(reading.pool_weight for reading in self.readings.values()) > 0:
            raise ValueError("the pool weights must not all be 0")

    def _check_reading(self, name: str, reading: SenseReading) -> None:
        classes = len(self.class_names)
        _check_numbers(f"{name}.weights", reading.weights, (reading.dimension, classes))
        _check_numbers(f"{name}.bias", reading.bias, (classes,))
        if not (np.isfinite(reading.pool_weight) and reading.pool_weight >= 0):
            raise ValueError(f"{name}.pool_weight must be 0 or more, got {reading.pool_weight}")

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        classes = len(self.class_names)
        pairs = ("affect_bias", "affect_error_sd", "rated_share", "rated_centre", "rated_gain")
        return {
            "class_to_emotion": (classes, len(EMOTIONS)),
            "class_affect": (classes, 2),
            "affect_weights": (self.readings[RATED_SENSE].dimension, 2),
            **dict.fromkeys(pairs, (2,)),
        }

    def class_probabilities(self, features: ShotFeatures) -> Floats:
        """Probabilities of the clip classes, shape (N, C), by the learned senses that spoke."""
        count = _shot_count(features)
        probabilities, is_known = {}, {}
        for name, reading in self.readings.items():
            is_known[name] = _known(features, name, count)
            probabilities[name] = np.zeros((count, len(self.class_names)))
            if is_known[name].any():
                values = features[name].values[is_known[name]]
                probabilities[name][is_known[name]] = reading.probabilities(values)
        weights = {name: reading.pool_weight for name, reading in self.readings.items()}
        return log_pool(probabilities, is_known, weights=weights, temperature=self.pool_temperature)

    def ratings(self, image_features: Array) -> Floats:
        """Ratings that pictures would get, shape (N, 2): valence, arousal; the features have shape (N, D)."""
        values = compressed(image_features) @ self.affect_weights + self.affect_bias
        return np.asarray(values, dtype=np.float64)

    def probabilities(self, features: ShotFeatures) -> Floats:
        """Probabilities over `EMOTIONS`, shape (N, 6), rows sum to 1; even where no sense spoke."""
        return self.probabilities_given(self.class_probabilities(features), features)

    def probabilities_given(self, classes: Floats, features: ShotFeatures) -> Floats:
        """The same, where the learned senses that spoke are known to name these clip classes, (N, C)."""
        known = self._learned(features)
        pooled = np.where(known[:, None], classes @ self.class_to_emotion, 1 / len(EMOTIONS))
        seen = _known(features, RATED_SENSE, len(pooled))
        if seen.any():
            ratings = self.ratings(features[RATED_SENSE].values[seen])
            from_affect = emotions_near(ratings, self.affect_error_sd)
            pooled[seen] = self.affect_share * from_affect + (1 - self.affect_share) * pooled[seen]
        named = {name: (emotions_named(one), one.is_known) for name, one in _naming(features).items()}
        mixed = share_out(pooled, known, named)
        return np.asarray(mixed / mixed.sum(axis=1, keepdims=True))

    def affect(self, features: ShotFeatures) -> Floats:
        """Valence and arousal of shots, shape (N, 2), in [-1, 1]; 0, 0 where no sense spoke.

        tanh(gain * estimate) with the estimate pooled axis by axis; without a picture it is that of the
        classes. Naming senses take their share of the outcome.
        """
        return self.affect_given(self.class_probabilities(features), features)

    def affect_given(self, classes: Floats, features: ShotFeatures) -> Floats:
        """The same, where the learned senses that spoke are known to name these clip classes, (N, C)."""
        stretched_estimates = stretched(self.estimates_given(classes, features), self.rated_gain)
        named = {name: (affect_named(one), one.is_known) for name, one in _naming(features).items()}
        return share_out(stretched_estimates, self._learned(features), named)

    def estimates_given(self, classes: Floats, features: ShotFeatures) -> Floats:
        """Valence and arousal before the gain and without naming senses, shape (N, 2)."""
        estimates = affect_of_classes(classes, self.class_affect)
        seen = _known(features, RATED_SENSE, len(estimates))
        if seen.any():
            from_rating = self.ratings(features[RATED_SENSE].values[seen]) - self.rated_centre
            estimates[seen] = self.rated_share * from_rating + (1 - self.rated_share) * estimates[seen]
        return estimates

    def _learned(self, features: ShotFeatures) -> Mask:
        """Where any learned sense spoke, shape (N,)."""
        count = _shot_count(features)
        return np.asarray(np.any([_known(features, name, count) for name in self.readings], axis=0), np.bool_)

    def to_json(self) -> str:
        """The head as text; numbers keep 6 significant digits."""
        fields: dict[str, Any] = {"format": HEAD_FORMAT, "version": HEAD_VERSION, "emotions": list(EMOTIONS)}
        return json.dumps({**fields, **_rounded(asdict(self))}) + "\n"

    @classmethod
    def from_json(cls, content: bytes) -> EmotionHead:
        """Read what `to_json` wrote.

        Raises: WeightsError if it is not such a head.
        """
        try:
            return cls(**_head_fields(json.loads(content)))
        except (ValueError, TypeError, KeyError, IndexError) as error:
            raise WeightsError(f"The emotion head cannot be used: {error}. {REINSTALL}") from error


def compressed(features: Array) -> Array:
    """Square root of the pooled features (>= 0): it evens out their long tail."""
    return np.sqrt(np.maximum(features, 0))


def emotions_near(ratings: Floats, error_sd: Floats) -> Floats:
    """Probabilities of the categories given ratings that may be off by `error_sd`.

    p_k ~ N(V; V_k, sd_k^2 + e^2) N(A; ...), the means and deviations of Russell & Mehrabian (not rescaled).

    Args:
        ratings: shape (N, 2): valence, arousal in [-1, 1].
        error_sd: shape (2,).
    Returns: shape (N, 6).
    """
    variances = RATED.deviations**2 + error_sd**2
    squared = (ratings[:, None, :] - RATED.means) ** 2
    return softmax(-0.5 * (squared / variances + np.log(variances)).sum(axis=2))


def affect_of_classes(probabilities: Floats, class_affect: Floats) -> Floats:
    """Mean valence and arousal of distributions over classes, less what not knowing would give.

    sum_c p_c a_c - H(p) / log C * mean_c a_c, with H the entropy: the classes lean to one side (more of them
    are aroused than calm), which says something of the classes and nothing of the film. So a certain class
    lands on its own affect and a uniform distribution on 0, 0.

    Args:
        probabilities: shape (N, C).
        class_affect: shape (C, 2).
    Returns: shape (N, 2).
    """
    entropy = -(probabilities * logarithm(probabilities)).sum(axis=1, keepdims=True)
    doubt = entropy / np.log(probabilities.shape[1])
    return np.asarray(probabilities @ class_affect - doubt * class_affect.mean(axis=0))


def stretched(estimates: Floats, gain: Floats) -> Floats:
    """tanh(gain * estimate): a mean of uncertain readings keeps to the middle, the gain undoes that.

    Both have shape (N, 2) or (2,); the hyperbolic tangent keeps the result in (-1, 1) without a hard edge.
    """
    return np.asarray(np.tanh(gain * estimates))


def _shot_count(features: ShotFeatures) -> int:
    counts = {len(one.is_known) for one in features.values()}
    if len(counts) != 1:
        raise ValueError(f"the senses must speak of the same shots, got {sorted(counts)} of them")
    return counts.pop()


def _known(features: ShotFeatures, name: str, count: int) -> Mask:
    return features[name].is_known if name in features else np.zeros(count, np.bool_)


def _naming(features: ShotFeatures) -> dict[str, SenseFeatures]:
    return {name: one for name, one in features.items() if name in NAMING_SHARES}


def _check_numbers(name: str, values: Floats, shape: tuple[int, ...]) -> None:
    if values.shape != shape or not np.isfinite(values).all():
        raise ValueError(f"{name} must be finite and of shape {shape}, got {values.shape}")


def _rounded(fields: dict[str, Any]) -> dict[str, Any]:
    """Arrays as nested lists, numbers with 6 significant digits."""
    digits = np.vectorize(lambda value: float(f"{value:.{SIGNIFICANT_DIGITS}g}"), otypes=[float])
    rounded = {}
    for name, value in fields.items():
        if isinstance(value, dict):
            rounded[name] = _rounded(value)
        else:
            rounded[name] = digits(value).tolist() if isinstance(value, np.ndarray) else value
    return rounded


def _head_fields(fields: dict[str, Any]) -> dict[str, Any]:
    if fields["format"] != HEAD_FORMAT or fields["version"] != HEAD_VERSION:
        raise ValueError(f"format {fields['format']} version {fields['version']}")
    if tuple(fields["emotions"]) != EMOTIONS:
        raise ValueError(f"it knows the emotions {fields['emotions']}")
    plain = ("pool_temperature", "affect_share")
    names = set(EmotionHead.__dataclass_fields__) - {"class_names", "readings", *plain}
    converted = {name: np.array(fields[name], dtype=np.float64) for name in names}
    return {
        **converted,
        **{name: float(fields[name]) for name in plain},
        "class_names": tuple(fields["class_names"]),
        "readings": {str(name): _sense_reading(one) for name, one in dict(fields["readings"]).items()},
    }


def _sense_reading(fields: dict[str, Any]) -> SenseReading:
    weights, bias = (np.array(fields[name], dtype=np.float64) for name in ("weights", "bias"))
    if weights.ndim != 2:
        raise ValueError(f"weights must have two axes, got {weights.ndim}")
    return SenseReading(str(fields["feature_name"]), weights, bias, float(fields["pool_weight"]))
