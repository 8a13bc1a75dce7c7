"""The fitted part of the classifier: what was seen and heard in a shot -> emotion probabilities and affect.

Two readings, pooled:

1. *Clip reading.* For each sense, a logistic regression names the mood class of a film clip (Excited, Fear,
   Neutral, Relaxation, Sad, Tension). Where both senses spoke, their log-probabilities are averaged with
   fitted weights; where one spoke, it alone counts; where none did, every class is equally likely.
2. *Affect reading*, of the picture only. A ridge regression estimates the valence and arousal people would
   rate (OASIS norms).

From both come probabilities over the six categories (fixed tables say what classes and ratings stand for)
and, beside them, valence and arousal, because no mixture of the six categories is calm.

Fitted by `emsync_train.emotion.train_head`; how well, in docs/emotion.md.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
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
HEAD_VERSION = 2
SIGNIFICANT_DIGITS = 6

Array = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class ShotFeatures:
    """Mean features of N shots: `image` (N, D_image) and `sound` (N, D_sound).

    `has_image` and `has_sound`, shape (N,), say which rows mean something; the others may hold anything.
    """

    image: Array
    sound: Array
    has_image: Mask
    has_sound: Mask


@dataclass(frozen=True)
class SenseReading:
    """Logistic regression on the features called `feature_name`: `weights` (D, C), `bias` (C,)."""

    feature_name: str
    weights: Floats
    bias: Floats

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

    Clip reading: `image` and `sound`, fused with `image_weight` in [0, 1] and `fusion_temperature` > 0 (see
    `fused`); row c of `class_to_emotion` (C, 6) is the distribution over `EMOTIONS` that class c stands for,
    row c of `class_affect` (C, 2) its valence and arousal.

    Affect reading: `affect_weights` (D, 2) and `affect_bias` (2,) give ratings in [-1, 1], right within
    `affect_error_sd` (2,). `affect_share` in [0, 1] is its weight in the probabilities, `rated_share` (2,)
    that in valence and arousal, where `rated_centre` (2,), the average rating, counts as nothing in
    particular. `rated_gain` (2,) gives the estimates the spread of the labels (see `stretched`).
    """

    class_names: tuple[str, ...]
    image: SenseReading
    sound: SenseReading
    image_weight: float
    fusion_temperature: float
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
        classes = len(self.class_names)
        for name, shape in self._shapes(classes).items():
            values = _field(self, name)
            if values.shape != shape or not np.isfinite(values).all():
                raise ValueError(f"{name} must be finite and of shape {shape}, got {values.shape}")
        if not np.allclose(self.class_to_emotion.sum(axis=1), 1, atol=1e-4):
            raise ValueError("every row of class_to_emotion must sum to 1")
        for name, share in (("affect_share", self.affect_share), ("image_weight", self.image_weight)):
            if not 0 <= share <= 1:
                raise ValueError(f"{name} must lie in [0, 1], got {share}")
        if not (np.isfinite(self.fusion_temperature) and self.fusion_temperature > 0):
            raise ValueError(f"fusion_temperature must be positive, got {self.fusion_temperature}")

    def _shapes(self, classes: int) -> dict[str, tuple[int, ...]]:
        pairs = ("affect_bias", "affect_error_sd", "rated_share", "rated_centre", "rated_gain")
        return {
            "image.weights": (self.image.dimension, classes),
            "image.bias": (classes,),
            "sound.weights": (self.sound.dimension, classes),
            "sound.bias": (classes,),
            "class_to_emotion": (classes, len(EMOTIONS)),
            "class_affect": (classes, 2),
            "affect_weights": (self.image.dimension, 2),
            **dict.fromkeys(pairs, (2,)),
        }

    def class_probabilities(self, features: ShotFeatures) -> Floats:
        """Probabilities of the clip classes, shape (N, C), by the senses that spoke."""
        image = self.image.probabilities(features.image)
        sound = self.sound.probabilities(features.sound)
        both = fused(image, sound, image_weight=self.image_weight, temperature=self.fusion_temperature)
        has_image, has_sound = features.has_image[:, None], features.has_sound[:, None]
        one = np.where(has_image, image, np.where(has_sound, sound, 1 / len(self.class_names)))
        return np.where(has_image & has_sound, both, one)

    def ratings(self, image_features: Array) -> Floats:
        """Ratings that pictures would get, shape (N, 2): valence, arousal; the features have shape (N, D)."""
        values = compressed(image_features) @ self.affect_weights + self.affect_bias
        return np.asarray(values, dtype=np.float64)

    def probabilities(self, features: ShotFeatures) -> Floats:
        """Probabilities over `EMOTIONS`, shape (N, 6), rows sum to 1; even where nothing was seen or heard."""
        from_affect = emotions_near(self.ratings(features.image), self.affect_error_sd)
        from_class = self.class_probabilities(features) @ self.class_to_emotion
        both = self.affect_share * from_affect + (1 - self.affect_share) * from_class
        heard = np.where(features.has_sound[:, None], from_class, 1 / len(EMOTIONS))
        pooled = np.where(features.has_image[:, None], both, heard)
        return np.asarray(pooled / pooled.sum(axis=1, keepdims=True))

    def affect(self, features: ShotFeatures) -> Floats:
        """Valence and arousal of shots, shape (N, 2), in [-1, 1]; 0, 0 where nothing was seen or heard.

        tanh(gain * estimate) with the estimate pooled axis by axis; without a picture it is that of the classes.
        """
        from_class = affect_of_classes(self.class_probabilities(features), self.class_affect)
        from_rating = self.ratings(features.image) - self.rated_centre
        both = self.rated_share * from_rating + (1 - self.rated_share) * from_class
        return stretched(np.where(features.has_image[:, None], both, from_class), self.rated_gain)

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


def softmax(logits: Array) -> Floats:
    """Exponentials over their sum along the last axis."""
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True), dtype=np.float64)


def fused(image: Floats, sound: Floats, *, image_weight: float, temperature: float) -> Floats:
    """What two senses say together: p ~ exp((w log p_image + (1 - w) log p_sound) / T), shape (N, C).

    T below 1 says that the senses err apart: where they agree, both together are surer than each alone.
    """
    logs = image_weight * _logarithm(image) + (1 - image_weight) * _logarithm(sound)
    return softmax(logs / temperature)


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
    entropy = -(probabilities * _logarithm(probabilities)).sum(axis=1, keepdims=True)
    doubt = entropy / np.log(probabilities.shape[1])
    return np.asarray(probabilities @ class_affect - doubt * class_affect.mean(axis=0))


def stretched(estimates: Floats, gain: Floats) -> Floats:
    """tanh(gain * estimate): a mean of uncertain readings keeps to the middle, the gain undoes that.

    Both have shape (N, 2) or (2,); the hyperbolic tangent keeps the result in (-1, 1) without a hard edge.
    """
    return np.asarray(np.tanh(gain * estimates))


def _logarithm(probabilities: Floats) -> Floats:
    return np.asarray(np.log(np.maximum(probabilities, 1e-12)))


def _field(head: EmotionHead, name: str) -> Floats:
    owner, _, inner = name.rpartition(".")
    values: Floats = getattr(getattr(head, owner) if owner else head, inner)
    return values


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
    plain = ("image_weight", "fusion_temperature", "affect_share")
    names = set(EmotionHead.__dataclass_fields__) - {"class_names", "image", "sound", *plain}
    converted = {name: np.array(fields[name], dtype=np.float64) for name in names}
    return {
        **converted,
        **{name: float(fields[name]) for name in plain},
        "class_names": tuple(fields["class_names"]),
        "image": _sense_reading(fields["image"]),
        "sound": _sense_reading(fields["sound"]),
    }


def _sense_reading(fields: dict[str, Any]) -> SenseReading:
    weights, bias = (np.array(fields[name], dtype=np.float64) for name in ("weights", "bias"))
    if weights.ndim != 2:
        raise ValueError(f"weights must have two axes, got {weights.ndim}")
    return SenseReading(str(fields["feature_name"]), weights, bias)
