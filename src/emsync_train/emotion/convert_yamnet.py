"""Convert YAMNet to the ONNX file that ships, and measure parity. Needed once.

    pip install tflite ai-edge-litert
    python -m emsync_train.emotion.convert_yamnet --tflite yamnet.tflite --sound FILE [FILE ...]

`yamnet.tflite` is the published int8 file (waveform in, 521 scores out; Apache-2.0). Parity is measured on
the first minute of each of the given files, against the published file run by LiteRT, which rounds every
activation to 8 bits; the graph that ships does not.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emsync.audio.sound_patches import sound_patches
from emsync.emotion.features.session import open_session
from emsync.emotion.features.sound import SOUND_FEATURES, SoundFeatures, has_sound
from emsync.weights import ASSETS, register_weights
from emsync_train.emotion.yamnet import Layer, PublishedYamnet, build_yamnet

FILE_NAME = "yamnet.onnx"
NUMPY_TYPES = {0: np.float32, 2: np.int32, 9: np.int8}
"""TensorFlow Lite's numbers for the types that are read here."""

WINDOW, MEL = 11, 22
"""Tensors of the published file: Hann window and mel matrix."""
FIRST_CONVOLUTION, CONVOLUTIONS, POOL, LAST = 16, 27, 43, 44
"""Operators of the published file, in order of execution."""


class PublishedFile:
    """The tensors and operators of a TensorFlow Lite file, by number."""

    def __init__(self, content: bytes) -> None:
        import tflite  # type: ignore[import-not-found, unused-ignore]  # noqa: PLC0415

        self._model = tflite.Model.GetRootAsModel(content, 0)
        self._graph = self._model.Subgraphs(0)

    def values(self, number: int) -> NDArray[Any]:
        """A constant tensor as it is stored."""
        tensor = self._graph.Tensors(number)
        stored = self._model.Buffers(tensor.Buffer()).DataAsNumpy()
        return np.frombuffer(stored.tobytes(), NUMPY_TYPES[tensor.Type()]).reshape(tensor.ShapeAsNumpy())

    def restored(self, number: int, integers: NDArray[np.int8]) -> NDArray[np.float32]:
        """What 8-bit values of a tensor stand for."""
        quantisation = self._graph.Tensors(number).Quantization()
        return np.asarray((integers - np.float32(quantisation.ZeroPoint(0))) * quantisation.Scale(0))

    def layer(self, operator: int) -> Layer:
        """A convolution, a filter per channel, or a fully connected layer."""
        node = self._graph.Operators(operator)
        weights, bias = node.Inputs(1), node.Inputs(2)
        return Layer(
            weights=self.values(weights),
            scales=self._scales(weights),
            bias=self.values(bias) * self._scales(bias),
        )

    def output(self, operator: int) -> int:
        """Number of the tensor that an operator makes."""
        return int(self._graph.Operators(operator).Outputs(0))

    def _scales(self, number: int) -> NDArray[np.float64]:
        return np.asarray(self._graph.Tensors(number).Quantization().ScaleAsNumpy(), np.float64)


def read_published(content: bytes) -> PublishedYamnet:
    """Everything the graph needs, from the published file."""
    file = PublishedFile(content)
    return PublishedYamnet(
        window=file.values(WINDOW),
        mel=file.values(MEL),
        convolutions=[file.layer(FIRST_CONVOLUTION + number) for number in range(CONVOLUTIONS)],
        last=file.layer(LAST),
    )


def published_outputs(path: Path, patches: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Embeddings (N, 1024) and scores (N, 521) of the published file, run by LiteRT."""
    from ai_edge_litert.interpreter import Interpreter  # type: ignore[import-not-found, unused-ignore]  # noqa: PLC0415

    interpreter = Interpreter(str(path), experimental_preserve_all_tensors=True)
    interpreter.allocate_tensors()
    file = PublishedFile(path.read_bytes())
    pooled = file.output(POOL)
    embeddings, scores = [], []
    for samples in patches:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], samples)
        interpreter.invoke()
        embeddings.append(file.restored(pooled, interpreter.get_tensor(pooled).ravel()))
        scores.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).ravel())
    return np.stack(embeddings), np.stack(scores)


def describe_parity(
    network: SoundFeatures, patches: NDArray[np.float32], published: Sequence[NDArray[Any]]
) -> str:
    """One line: cosine of embeddings, difference of scores, and how often the likeliest sound agrees."""
    embeddings, scores = network.extract(patches), network.scores(patches)
    lengths = np.linalg.norm(embeddings, axis=1) * np.linalg.norm(published[0], axis=1)
    cosine = (embeddings * published[0]).sum(axis=1) / lengths
    difference = np.abs(scores - published[1])
    agree = (scores.argmax(axis=1) == published[1].argmax(axis=1)).mean()
    return (
        f"{len(patches)} patches: embedding cosine mean {cosine.mean():.4f}, min {cosine.min():.4f}; "
        f"scores off by {difference.mean():.5f}, largest {difference.max():.3f}; same first class {agree:.3f}"
    )


def main() -> None:
    """Convert, measure parity, write and register."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tflite", type=Path, required=True, help="the published yamnet.tflite")
    parser.add_argument("--sound", type=Path, nargs="+", required=True, help="files to measure parity on")
    parser.add_argument("--out", type=Path, default=ASSETS, help="assets folder")
    arguments = parser.parse_args()
    heard = [patch.samples for path in arguments.sound for patch in sound_patches(path, duration_s=60.0)]
    patches = np.stack([samples for samples in heard if has_sound(samples)])
    reference = published_outputs(arguments.tflite, patches)
    published = read_published(arguments.tflite.read_bytes())
    content = build_yamnet(published).SerializeToString()
    network = SoundFeatures(open_session(content, 1, what="converted graph"))
    print(describe_parity(network, patches, reference))
    (arguments.out / FILE_NAME).write_bytes(content)
    print(f"{len(content) / 1e6:.2f} MB", register_weights(SOUND_FEATURES, (FILE_NAME,), arguments.out))


if __name__ == "__main__":
    main()
