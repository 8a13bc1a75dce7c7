"""What is heard: YAMNet's embedding of a second of sound, on ONNX Runtime.

The network was trained on AudioSet by its authors to name 521 sounds (speech, music, rain, ...) and is
frozen. Converted by `emsync_train.emotion.convert_yamnet`; the mel spectrogram is inside the graph.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from emsync.emotion.features.network import NetworkFeatures
from emsync.types import SOUND_PATCH_SAMPLES

SOUND_FEATURES = "sound_features"
"""Name of the weights in the manifest."""

FEATURE_NAME = "yamnet"
FEATURE_DIMENSION = 1024
SCORE_COUNT = 521

SILENCE_DBFS = -60.0
"""A patch whose root mean square lies below this says nothing; full scale is a square wave of 1."""


def has_sound(samples: NDArray[np.float32]) -> bool:
    """Whether a patch is loud enough to say anything and no sample is broken; `samples` has shape (15600,)."""
    mean_square = float(np.square(samples, dtype=np.float64).mean())
    return math.isfinite(mean_square) and mean_square >= 10 ** (SILENCE_DBFS / 10)


class SoundFeatures(NetworkFeatures):
    """YAMNet: patches (N, 15600), 16 kHz, one channel, full scale 1, to embeddings (N, 1024) in [0, 6]."""

    name = FEATURE_NAME
    dimension = FEATURE_DIMENSION
    weights = SOUND_FEATURES
    input_name, output_name = "samples", "embedding"
    piece_name = "patches"
    piece_shape = (SOUND_PATCH_SAMPLES,)
    piece_dtype = np.float32

    def scores(self, pieces: NDArray[np.float32], /) -> NDArray[np.float32]:
        """How likely each of AudioSet's 521 classes sounds in a patch, shape (N, 521), in [0, 1].

        Takes and raises what `extract` does.
        """
        return self._run("scores", pieces)
