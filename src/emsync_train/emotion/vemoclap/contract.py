"""What every extractor is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]
Samples = NDArray[np.float32]
Features = NDArray[np.float32]

FILM_INSTANTS = 16
"""Frames the paper looks at, spread over the whole video however long it is."""


@dataclass(frozen=True)
class Film:
    """What is seen and heard of one video.

    `frames` (T, H, W, 3): RGB at T instants spread over the whole video. `samples` (S,): its sound, one channel at
    16 kHz, full scale 1; empty if it has none.
    """

    frames: Frames
    samples: Samples


class Modality(Protocol):
    """A frozen network that turns a film into a sequence of vectors.

    `name` says which weights spoke; a fusion head is fitted to a list of names and lengths.
    """

    @property
    def name(self) -> str:
        """Which features these are, for example 'clip'."""
        ...

    @property
    def dimension(self) -> int:
        """Length D of one vector."""
        ...

    def extract(self, film: Film, /) -> Features | None:
        """Features of a film, shape (T, D) with T >= 1, or None if it says nothing (no face, no speech)."""
        ...


@dataclass(frozen=True)
class FeatureSpec:
    """Name and length of the vectors of one modality."""

    name: str
    dimension: int


@dataclass(frozen=True)
class Examples:
    """Extracted features of labelled films.

    `features[n][m]` is what modality m says of film n, shape (T, D_m), None if it is missing. `labels` (N,) are
    class numbers; films of one number in `groups` (N,) stay on one side of a split.
    """

    specs: tuple[FeatureSpec, ...]
    features: Sequence[tuple[Features | None, ...]]
    labels: NDArray[np.int64]
    groups: NDArray[np.int64]

    def __post_init__(self) -> None:
        if not len(self.features) == len(self.labels) == len(self.groups):
            raise ValueError(
                f"{len(self.features)} films, {len(self.labels)} labels and {len(self.groups)} groups do not match"
            )
        for number, film in enumerate(self.features):
            _check_film(number, film, self.specs)

    def chosen(self, numbers: NDArray[np.int64]) -> Examples:
        """The films of these numbers, in this order."""
        return Examples(
            self.specs, [self.features[n] for n in numbers], self.labels[numbers], self.groups[numbers]
        )


def _check_film(number: int, film: tuple[Features | None, ...], specs: tuple[FeatureSpec, ...]) -> None:
    if len(film) != len(specs):
        raise ValueError(f"film {number} has {len(film)} modalities, {len(specs)} expected")
    for values, spec in zip(film, specs, strict=True):
        if values is not None and (values.ndim != 2 or values.shape[1] != spec.dimension or not len(values)):
            raise ValueError(
                f"film {number}: {spec.name} must have shape (T >= 1, {spec.dimension}), got {values.shape}"
            )
