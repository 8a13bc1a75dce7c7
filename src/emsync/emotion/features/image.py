"""What a picture shows: pooled EfficientNet-Lite0 features, int8, on ONNX Runtime.

The network was trained on ImageNet by its authors and is frozen. Converted by
`emsync_train.emotion.convert_image_net`; normalisation is inside the graph.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emsync.emotion.features.network import NetworkFeatures

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


class ImageFeatures(NetworkFeatures):
    """EfficientNet-Lite0: RGB frames (N, 224, 224, 3) to features (N, 1280) in [0, 6]."""

    name = FEATURE_NAME
    dimension = FEATURE_DIMENSION
    weights = IMAGE_FEATURES
    input_name, output_name = "rgb", "features"
    piece_name = "frames"
    piece_shape = (IMAGE_SIZE, IMAGE_SIZE, 3)
    piece_dtype = np.uint8
