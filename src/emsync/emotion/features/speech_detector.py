"""Whether anybody speaks: Silero's voice detector on ONNX Runtime, 32 ms at a time.

The network (its "sequence" form: many frames a call) was trained by its authors and is vendored unchanged, because its
package installs torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emsync.emotion.features.session import open_session
from emsync.errors import WeightsError
from emsync.weights import ASSETS, load_weights

SPEECH_DETECTOR = "speech_detector"
"""Name of the weights in the manifest."""

FRAME_SAMPLES = 512
"""32 ms at 16 kHz."""
CONTEXT_SAMPLES = 64
STATE_SHAPE = (1, 1, 128)


class SpeechDetector:
    """Hears one stream of sound from its beginning to its end; remembers what went before."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.forget()

    @classmethod
    def load(cls, threads: int = 0, folder: Path = ASSETS) -> SpeechDetector:
        """Read the network; `threads` 0 means one for each core.

        Raises: WeightsError if the file is missing, altered or not a network.
        """
        return cls(open_session(load_weights(SPEECH_DETECTOR, folder), threads, what="speech detector"))

    def forget(self) -> None:
        """Begin another stream."""
        self._hidden = np.zeros(STATE_SHAPE, np.float32)
        self._cell = np.zeros(STATE_SHAPE, np.float32)
        self._context = np.zeros(CONTEXT_SAMPLES, np.float32)

    def probabilities(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """How likely speech is in each of the next frames, shape (N,).

        Args:
            frames: shape (N, 512), N >= 1: 16 kHz, one channel, full scale 1, right after the frames before.
        Raises: ValueError for another shape or type; WeightsError if a probability is not finite.
        """
        if frames.dtype != np.float32 or frames.ndim != 2 or frames.shape[1] != FRAME_SAMPLES:
            raise ValueError(
                f"float32 frames (N, {FRAME_SAMPLES}) expected, got {frames.dtype} {frames.shape}"
            )
        ends = np.vstack([self._context[None], frames[:, -CONTEXT_SAMPLES:]])
        inputs = {"input": np.hstack([ends[:-1], frames]), "h": self._hidden, "c": self._cell}
        speech, self._hidden, self._cell = self._session.run(["speech_probs", "hn", "cn"], inputs)
        self._context = ends[-1]
        if not np.isfinite(speech).all():
            raise WeightsError("The speech detector's answers are not finite; the sound is damaged.")
        return np.asarray(speech, np.float32).reshape(-1)
