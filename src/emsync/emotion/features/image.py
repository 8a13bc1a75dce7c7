"""What a picture shows: pooled EfficientNet-Lite0 features, int8, on ONNX Runtime.

The network was trained on ImageNet by its authors and is frozen. Converted by
`emsync_train.emotion.convert_image_net`; normalisation is inside the graph.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emsync.emotion.features.session import open_session
from emsync.errors import WeightsError
from emsync.weights import ASSETS, load_weights

IMAGE_FEATURES = "image_features"
"""Name of the weights in the manifest."""

FEATURE_NAME = "efficientnet_lite0"
FEATURE_DIMENSION = 1280
IMAGE_SIZE = 224

BLANK_DEVIATION = 4.0
"""A frame none of whose 8-bit channels varies more than this shows nothing: black, a plain colour."""


def has_picture(rgb: NDArray[np.uint8]) -> bool:
    """Whether a frame shows anything at all; `rgb` has shape (224, 224, 3)."""
    return bool(rgb[::4, ::4].std(axis=(0, 1)).max() >= BLANK_DEVIATION)


class ImageFeatures:
    """EfficientNet-Lite0 behind the `FeatureExtractor` contract."""

    name = FEATURE_NAME
    dimension = FEATURE_DIMENSION

    def __init__(self, session: Any) -> None:
        self._session = session

    @classmethod
    def load(cls, threads: int = 0, folder: Path = ASSETS) -> ImageFeatures:
        """Read the network; `threads` 0 means one for each core.

        Raises: WeightsError if the file is missing, altered or not a network.
        """
        content = load_weights(IMAGE_FEATURES, folder)
        return cls(open_session(content, threads, what="image features"))

    def extract(self, pieces: NDArray[np.uint8], /) -> NDArray[np.float32]:
        """Features of RGB frames.

        Args:
            pieces: shape (N, 224, 224, 3), N >= 1.
        Returns: shape (N, 1280), in [0, 6].
        Raises: ValueError for another shape or type; WeightsError if a feature is not finite.
        """
        if pieces.dtype != np.uint8 or pieces.ndim != 4 or pieces.shape[1:] != (IMAGE_SIZE, IMAGE_SIZE, 3):
            raise ValueError(f"uint8 frames (N, 224, 224, 3) expected, got {pieces.dtype} {pieces.shape}")
        features: NDArray[np.float32] = self._session.run(["features"], {"rgb": pieces})[0]
        if not np.isfinite(features).all():
            raise WeightsError("The image features are not finite; the weights do not fit this machine.")
        return features
