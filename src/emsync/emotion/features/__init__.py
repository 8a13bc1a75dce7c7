"""One module a modality, all behind one contract: frozen pretrained features of what a shot holds."""

from __future__ import annotations

from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

SenseInput_contra = TypeVar("SenseInput_contra", contravariant=True)


class FeatureExtractor(Protocol[SenseInput_contra]):
    """A sense: turns N pieces of its own input (frames, windows of sound, sentences) into N vectors.

    `name` says which weights spoke; a head is fitted to one name and refuses another.
    """

    @property
    def name(self) -> str:
        """Which features these are, for example 'efficientnet_lite0'."""
        ...

    @property
    def dimension(self) -> int:
        """Length D of one vector."""
        ...

    def extract(self, pieces: SenseInput_contra, /) -> NDArray[np.float32]:
        """Features of N pieces, shape (N, D), all finite."""
        ...
