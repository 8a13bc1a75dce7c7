"""The fitted part of the classifier: features of a shot -> probabilities over the six categories.

One matrix, two readings of a picture, pooled half and half:

1. *Affect reading.* A ridge regression estimates the valence and arousal people would rate (OASIS norms).
   A category's density there is its Russell & Mehrabian Gaussian widened by the regression's own error,
   all categories equally likely beforehand: Bayes' rule gives its probability.
2. *Clip reading.* A logistic regression names the mood class of a film clip (Excited, Fear, Neutral,
   Relaxation, Sad, Tension); a fixed table says which categories a class stands for.

Fitted by `emsync_train.emotion.train_head`; how well, in docs/emotion.md.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emsync.emotion.affect import RATED
from emsync.errors import WeightsError
from emsync.types import EMOTIONS, Floats
from emsync.weights import REINSTALL

EMOTION_HEAD = "emotion_head"
"""Name of the weights in the manifest."""

HEAD_FORMAT = "emsync-emotion-head"
HEAD_VERSION = 1
SIGNIFICANT_DIGITS = 6

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class EmotionHead:
    """Fitted numbers. D is the length of a feature vector, C the number of clip classes.

    `affect_weights` (D, 2) and `affect_bias` (2,) give valence and arousal in [-1, 1], right within
    `affect_error_sd` (2,). `class_weights` (D, C) and `class_bias` (C,) give the logits of `class_names`;
    row c of `class_to_emotion` (C, 6) is the distribution over `EMOTIONS` that class c stands for.
    `affect_share` in [0, 1] is the weight of the affect reading.
    """

    feature_name: str
    affect_weights: Floats
    affect_bias: Floats
    affect_error_sd: Floats
    class_names: tuple[str, ...]
    class_weights: Floats
    class_bias: Floats
    class_to_emotion: Floats
    affect_share: float

    def __post_init__(self) -> None:
        dimension, classes = self.affect_weights.shape[0], len(self.class_names)
        shapes = {
            "affect_weights": (dimension, 2),
            "affect_bias": (2,),
            "affect_error_sd": (2,),
            "class_weights": (dimension, classes),
            "class_bias": (classes,),
            "class_to_emotion": (classes, len(EMOTIONS)),
        }
        for name, shape in shapes.items():
            values = getattr(self, name)
            if values.shape != shape or not np.isfinite(values).all():
                raise ValueError(f"{name} must be finite and of shape {shape}, got {values.shape}")
        if not np.allclose(self.class_to_emotion.sum(axis=1), 1, atol=1e-4):
            raise ValueError("every row of class_to_emotion must sum to 1")
        if not 0 <= self.affect_share <= 1:
            raise ValueError(f"affect_share must lie in [0, 1], got {self.affect_share}")

    @property
    def dimension(self) -> int:
        """Length D of the feature vectors this head was fitted to."""
        return int(self.affect_weights.shape[0])

    def rated_affect(self, features: Array) -> Floats:
        """Estimated ratings, shape (N, 2): valence, arousal; the features have shape (N, D)."""
        return np.asarray(compressed(features) @ self.affect_weights + self.affect_bias, dtype=np.float64)

    def class_probabilities(self, features: Array) -> Floats:
        """Probabilities of the clip classes, shape (N, C)."""
        return softmax(compressed(features) @ self.class_weights + self.class_bias)

    def probabilities(self, features: Array) -> Floats:
        """Probabilities over `EMOTIONS`, shape (N, 6), rows sum to 1; the features have shape (N, D)."""
        from_affect = emotions_near(self.rated_affect(features), self.affect_error_sd)
        from_class = self.class_probabilities(features) @ self.class_to_emotion
        pooled = self.affect_share * from_affect + (1 - self.affect_share) * from_class
        return np.asarray(pooled / pooled.sum(axis=1, keepdims=True))

    def to_json(self) -> str:
        """The head as text; numbers keep 6 significant digits."""
        fields: dict[str, Any] = {"format": HEAD_FORMAT, "version": HEAD_VERSION, "emotions": list(EMOTIONS)}
        for name, value in vars(self).items():
            fields[name] = _rounded(value) if isinstance(value, np.ndarray) else value
        return json.dumps(fields) + "\n"

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


def softmax(logits: Array) -> Floats:
    """Exponentials over their sum along the last axis."""
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True), dtype=np.float64)


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


def _rounded(values: Floats) -> Any:
    digits = np.vectorize(lambda value: float(f"{value:.{SIGNIFICANT_DIGITS}g}"), otypes=[float])
    return digits(values).tolist()


def _head_fields(fields: dict[str, Any]) -> dict[str, Any]:
    if fields["format"] != HEAD_FORMAT or fields["version"] != HEAD_VERSION:
        raise ValueError(f"format {fields['format']} version {fields['version']}")
    if tuple(fields["emotions"]) != EMOTIONS:
        raise ValueError(f"it knows the emotions {fields['emotions']}")
    names = set(EmotionHead.__dataclass_fields__)
    converted = {name: fields[name] for name in names}
    for name in names - {"feature_name", "class_names", "affect_share"}:
        converted[name] = np.array(fields[name], dtype=np.float64)
    converted["class_names"] = tuple(fields["class_names"])
    return converted
