"""What the frozen networks have in common: read once, checked at every piece that goes in and comes out."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from emsync.emotion.features.session import open_session
from emsync.errors import WeightsError
from emsync.weights import ASSETS, load_weights


class NetworkFeatures:
    """A frozen network behind the `FeatureExtractor` contract; a subclass says which."""

    name: ClassVar[str]
    dimension: ClassVar[int]
    weights: ClassVar[str]
    """Name of the weights in the manifest; with spaces, what errors call them."""
    input_name: ClassVar[str]
    output_name: ClassVar[str]
    piece_name: ClassVar[str]
    """What one piece is called in errors, in the plural."""
    piece_shape: ClassVar[tuple[int, ...]]
    piece_dtype: ClassVar[type[np.generic]]

    def __init__(self, session: Any) -> None:
        self._session = session

    @classmethod
    def load(cls, threads: int = 0, folder: Path = ASSETS) -> Self:
        """Read the network; `threads` 0 means one for each core.

        Raises: WeightsError if the file is missing, altered or not a network.
        """
        return cls(open_session(load_weights(cls.weights, folder), threads, what=cls._said()))

    def extract(self, pieces: NDArray[Any], /) -> NDArray[np.float32]:
        """Features of N >= 1 pieces, shape (N, *piece_shape): shape (N, dimension).

        Raises: ValueError for another shape or type; WeightsError if a feature is not finite.
        """
        return self._run(self.output_name, pieces)

    def _run(self, output_name: str, pieces: NDArray[Any]) -> NDArray[np.float32]:
        if pieces.dtype != self.piece_dtype or pieces.shape[1:] != self.piece_shape or not pieces.ndim:
            wanted = f"{np.dtype(self.piece_dtype)} {self.piece_name} {('N', *self.piece_shape)}"
            raise ValueError(f"{wanted} expected, got {pieces.dtype} {pieces.shape}")
        values: NDArray[np.float32] = self._session.run([output_name], {self.input_name: pieces})[0]
        if not np.isfinite(values).all():
            raise WeightsError(
                f"The {self._said()} are not finite; the {self.piece_name} or the weights are damaged."
            )
        return values

    @classmethod
    def _said(cls) -> str:
        return cls.weights.replace("_", " ")
