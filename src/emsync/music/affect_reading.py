"""Affect read from notes: how a piece of symbolic music feels, every few seconds.

A ridge regression from the features of `music_features` to the ratings that about 30 listeners gave every
measure of VGMIDI's piano pieces, then a monotone map so that the training corpus fills [-1, 1]. The numbers
lie in `assets/affect_regressor.json`; `docs/affect-labels.md` says what they can and cannot know. Fitted by
`emsync_train.labels`, which labels training music with the same numbers; takes are judged by them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emsync.music.music_features import FEATURE_NAMES, music_features
from emsync.types import Floats, Notes
from emsync.weights import load_weights

AFFECT_REGRESSOR = "affect_regressor"
"""Its name in the list of weights."""
SMOOTHING = (0.25, 0.5, 0.25)
"""Weights of the window before, the window itself and the window after."""


@dataclass(frozen=True)
class AffectLabels:
    """Affect of consecutive stretches of `hop_s` seconds; float32 in [-1, 1], shape (W,), never NaN."""

    hop_s: float
    valence: NDArray[np.float32]
    arousal: NDArray[np.float32]


@dataclass(frozen=True)
class Regressor:
    """Linear in standardised features: intercept + sum of weight x clip((feature - mean) / scale)."""

    names: tuple[str, ...]
    mean: Floats
    scale: Floats
    clip: float
    intercept: float
    weights: Floats

    def predict(self, features: Floats) -> Floats:
        """Raw predictions for feature rows of shape (W, len(FEATURE_NAMES)), smoothed over windows: (W,)."""
        used = features[:, [FEATURE_NAMES.index(name) for name in self.names]]
        standardised = np.clip((used - self.mean) / self.scale, -self.clip, self.clip)
        return smooth(self.intercept + standardised @ self.weights)


@dataclass(frozen=True)
class AffectAxis:
    """Valence or arousal: a regressor and the monotone map from its output to the label.

    `raw` and `label` are the corners of a piecewise linear map, both strictly increasing; beyond the corners
    the label stays at -1 or 1. `priors` are terms for features that the ratings could not teach
    (VGMIDI has no drums): name -> weight per unit of the feature.
    """

    regressor: Regressor
    priors: dict[str, float]
    raw: Floats
    label: Floats

    def predict(self, features: Floats) -> Floats:
        """Raw predictions plus priors, before the map."""
        raw = self.regressor.predict(features)
        for name, weight in self.priors.items():
            raw = raw + weight * smooth(features[:, FEATURE_NAMES.index(name)])
        return raw

    def label_of(self, features: Floats) -> NDArray[np.float32]:
        """Labels in [-1, 1], shape (W,)."""
        return np.interp(self.predict(features), self.raw, self.label).astype(np.float32)


@dataclass(frozen=True)
class AffectLabeller:
    """Labels music with valence and arousal."""

    hop_s: float
    window_s: float
    valence: AffectAxis
    arousal: AffectAxis

    @staticmethod
    def load(path: Path | None = None) -> AffectLabeller:
        """The labeller of a JSON file; without a path, the one that comes with the package.

        Raises: ValueError if the file holds no regressor, WeightsError if the shipped one is missing or altered.
        """
        return _load(path)

    def label(self, notes: Notes, duration_s: float) -> AffectLabels:
        """Affect of every stretch of `hop_s` seconds, W = ceil(duration_s / hop_s), at least 1.

        Label w is centred on the middle of its stretch and hears `window_s` around it. A stretch without a
        pitched note takes the labels of its nearest neighbour that has one; music without any is neutral.
        """
        features = piece_features(notes, duration_s, self.hop_s, self.window_s)
        if features is None:
            silence = np.zeros(window_count(duration_s, self.hop_s), np.float32)
            return AffectLabels(self.hop_s, silence, silence.copy())
        return AffectLabels(self.hop_s, self.valence.label_of(features), self.arousal.label_of(features))


def window_count(duration_s: float, hop_s: float) -> int:
    """How many stretches of `hop_s` cover the duration, at least 1."""
    return max(1, int(np.ceil(duration_s / hop_s)))


def piece_features(notes: Notes, duration_s: float, hop_s: float, window_s: float) -> Floats | None:
    """Features of windows centred on consecutive stretches, gaps filled; None without any pitched note."""
    centres_s: Floats = (np.arange(window_count(duration_s, hop_s), dtype=np.float64) + 0.5) * hop_s
    features = music_features(notes, centres_s - window_s / 2, window_s)
    heard = np.flatnonzero(~np.isnan(features[:, 0]))
    if heard.size == 0:
        return None
    return features[heard[nearest_index(heard, np.arange(len(features)))]]


def nearest_index(points: NDArray[np.int64], at: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each element of `at`, the index into sorted `points` of the nearest one; the earlier wins a tie."""
    right = np.clip(np.searchsorted(points, at), 0, len(points) - 1)
    left = np.maximum(right - 1, 0)
    return np.where(np.abs(at - points[left]) <= np.abs(points[right] - at), left, right)


def smooth(values: Floats) -> Floats:
    """Weighted mean of neighbours; the ends repeat. Same shape."""
    padded = np.pad(values, 1, mode="edge")
    before, here, after = SMOOTHING
    return np.asarray(before * padded[:-2] + here * padded[1:-1] + after * padded[2:])


@lru_cache(maxsize=4)
def _load(path: Path | None) -> AffectLabeller:
    content = load_weights(AFFECT_REGRESSOR) if path is None else path.read_bytes()
    try:
        values = json.loads(content)
        return AffectLabeller(
            hop_s=float(values["hop_s"]),
            window_s=float(values["window_s"]),
            valence=_axis(values["features"], values["valence"]),
            arousal=_axis(values["features"], values["arousal"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path or AFFECT_REGRESSOR} is not an affect regressor ({error!r}); fit it again"
        ) from error


def _axis(shared: dict[str, Any], own: dict[str, Any]) -> AffectAxis:
    regressor = Regressor(
        names=tuple(shared["names"]),
        mean=np.array(shared["mean"], np.float64),
        scale=np.array(shared["scale"], np.float64),
        clip=float(shared["clip"]),
        intercept=float(own["intercept"]),
        weights=np.array(own["weights"], np.float64),
    )
    raw, label = (np.array(own["map"][key], np.float64) for key in ("raw", "label"))
    return AffectAxis(regressor, dict(own["priors"]), raw, label)
