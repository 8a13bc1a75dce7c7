"""What is heard: YAMNet's embedding of a second of sound, on ONNX Runtime.

The network was trained on AudioSet by its authors to name 521 sounds (speech, music, rain, ...) and is
frozen. Converted by `emsync_train.emotion.convert_yamnet`; the mel spectrogram is inside the graph.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emsync.emotion.features.session import open_session
from emsync.errors import WeightsError
from emsync.types import SOUND_PATCH_SAMPLES
from emsync.weights import ASSETS, load_weights

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


class SoundFeatures:
    """YAMNet behind the `FeatureExtractor` contract."""

    name = FEATURE_NAME
    dimension = FEATURE_DIMENSION

    def __init__(self, session: Any) -> None:
        self._session = session

    @classmethod
    def load(cls, threads: int = 0, folder: Path = ASSETS) -> SoundFeatures:
        """Read the network; `threads` 0 means one for each core.

        Raises: WeightsError if the file is missing, altered or not a network.
        """
        content = load_weights(SOUND_FEATURES, folder)
        return cls(open_session(content, threads, what="sound features"))

    def extract(self, pieces: NDArray[np.float32], /) -> NDArray[np.float32]:
        """Features of patches of sound.

        Args:
            pieces: shape (N, 15600), N >= 1: 0.975 s each at 16 kHz, one channel, full scale 1.
        Returns: shape (N, 1024), in [0, 6].
        Raises: ValueError for another shape or type; WeightsError if a feature is not finite.
        """
        return self._run("embedding", pieces)

    def scores(self, pieces: NDArray[np.float32], /) -> NDArray[np.float32]:
        """How likely each of AudioSet's 521 classes sounds in a patch, shape (N, 521), in [0, 1].

        Takes and raises what `extract` does.
        """
        return self._run("scores", pieces)

    def _run(self, output: str, pieces: NDArray[np.float32]) -> NDArray[np.float32]:
        if pieces.dtype != np.float32 or pieces.ndim != 2 or pieces.shape[1] != SOUND_PATCH_SAMPLES:
            raise ValueError(
                f"float32 patches (N, {SOUND_PATCH_SAMPLES}) expected, got {pieces.dtype} {pieces.shape}"
            )
        values: NDArray[np.float32] = self._session.run([output], {"samples": pieces})[0]
        if not np.isfinite(values).all():
            raise WeightsError("The sound features are not finite; the sound or the weights are damaged.")
        return values
