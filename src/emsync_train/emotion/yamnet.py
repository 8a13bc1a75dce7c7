"""YAMNet as an ONNX graph: from the published TensorFlow Lite file to embeddings and class scores.

The graph is written node by node, as `image_net` does for the picture:

    samples float32 (N, 15600), 16 kHz -> 96 frames of 400 samples, 160 apart, Hann window
        -> DFT of 512 -> magnitude (N, 96, 257) -> 64 mel bands -> log(x + 0.001)
        -> 3x3 convolution to 32 channels -> 13 pairs of a 3x3 filter per channel and a 1x1 convolution, ReLU6
        -> mean over 3x2 -> embedding float32 (N, 1024) -> one layer, sigmoid -> scores float32 (N, 521)

The published file computes in int8. Here its int8 weights are kept as they are (so the file stays small) and
multiplied by their scales at load; sums and activations are float32, so no processor rounds or overflows
differently.

Source: Plakal & Ellis, YAMNet, tensorflow/models, research/audioset/yamnet; a MobileNet (arXiv:1704.04861)
trained on AudioSet (Gemmeke et al. 2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from emsync.emotion.features.sound import FEATURE_DIMENSION, SCORE_COUNT
from emsync.types import SOUND_PATCH_SAMPLES, Floats
from emsync_train.emotion.image_net import IR_VERSION, OPSET, Graph, same_padding

FRAMES, FRAME_SAMPLES, HOP_SAMPLES, DFT_SAMPLES = 96, 400, 160, 512
PIECE_SAMPLES = 80
"""Greatest common divisor of frame and hop: a frame is five pieces, the next begins two pieces later."""
LOG_OFFSET = 0.001
STRIDE_TWO = (0, 3, 7, 11, 23)
"""Which of the 27 convolutions halve the picture (the first, and the filters of layers 4, 8, 12 and 24)."""


@dataclass(frozen=True)
class Layer:
    """One layer as published: `weights` int8 of TensorFlow's shape, a scale for each output channel.

    A convolution has weights (C_out, H, W, C_in), a filter per channel (1, H, W, C), the last layer
    (521, 1024). `bias` (C_out,) is already a number, not an integer.
    """

    weights: NDArray[np.int8]
    scales: Floats
    bias: Floats


@dataclass(frozen=True)
class PublishedYamnet:
    """What the published file holds: `window` (400,), `mel` (64, 257), 27 convolutions and the last layer."""

    window: Floats
    mel: Floats
    convolutions: Sequence[Layer]
    last: Layer


def build_yamnet(published: PublishedYamnet) -> onnx.ModelProto:
    """The network: `samples` in, `embedding` and `scores` out."""
    graph = Graph()
    graph.constant("six", np.array(6.0, np.float32))
    graph.constant("zero", np.array(0.0, np.float32))
    x = _log_mel(graph, published)
    for number, layer in enumerate(published.convolutions):
        x = _convolution(graph, x, layer, number)
    embedding = graph.node("ReduceMean", [x], "embedding", axes=[2, 3], keepdims=0)
    weights = _weights(graph, "last", published.last.weights.T, published.last.scales)
    product = graph.node("MatMul", [embedding, weights], "product")
    bias = graph.constant("last.b", published.last.bias.astype(np.float32))
    graph.node("Sigmoid", [graph.node("Add", [product, bias], "logits")], "scores")
    return _model(graph)


def _log_mel(graph: Graph, published: PublishedYamnet) -> str:
    """Samples (N, 15600) to log mel bands (N, 1, 96, 64)."""
    window = graph.constant("window", published.window.astype(np.float32))
    frames = graph.node("Mul", [_framed(graph), window], "windowed")  # (N, 96, 400)
    padding = graph.constant("padding", np.array([0, 0, 0, 0, 0, DFT_SAMPLES - FRAME_SAMPLES], np.int64))
    padded = graph.node("Pad", [frames, padding], "padded")
    axis = graph.constant("last_axis", np.array([3], np.int64))
    real = graph.node("Unsqueeze", [padded, axis], "real")  # (N, 96, 512, 1)
    spectrum = graph.node("DFT", [real], "spectrum", axis=2, onesided=1)  # (N, 96, 257, 2)
    magnitude = graph.node("ReduceL2", [spectrum], "magnitude", axes=[3], keepdims=0)
    mel = graph.constant("mel", np.ascontiguousarray(published.mel.T, np.float32))
    bands = graph.node("MatMul", [magnitude, mel], "bands")  # (N, 96, 64)
    offset = graph.constant("log_offset", np.array(LOG_OFFSET, np.float32))
    log_bands = graph.node("Log", [graph.node("Add", [bands, offset], "bands_above_zero")], "log_bands")
    channel_axis = graph.constant("channel_axis", np.array([1], np.int64))
    return graph.node("Unsqueeze", [log_bands, channel_axis], "patch")


def _framed(graph: Graph) -> str:
    """Overlapping frames (N, 96, 400), put together from pieces that frame and hop have in common."""
    pieces = graph.constant(
        "pieces", np.array([0, SOUND_PATCH_SAMPLES // PIECE_SAMPLES, PIECE_SAMPLES], np.int64)
    )
    cut = graph.node("Reshape", ["samples", pieces], "cut")  # (N, 195, 80)
    first = np.arange(FRAMES)[:, None] * (HOP_SAMPLES // PIECE_SAMPLES)
    wanted = graph.constant("wanted", first + np.arange(FRAME_SAMPLES // PIECE_SAMPLES))
    gathered = graph.node("Gather", [cut, wanted], "gathered", axis=1)  # (N, 96, 5, 80)
    shape = graph.constant("frame_shape", np.array([0, FRAMES, FRAME_SAMPLES], np.int64))
    return graph.node("Reshape", [gathered, shape], "frames")


def _convolution(graph: Graph, x: str, layer: Layer, number: int) -> str:
    """One convolution and its ReLU6; odd numbers are filters per channel."""
    is_depthwise = number % 2 == 1
    order = (3, 0, 1, 2) if is_depthwise else (0, 3, 1, 2)
    kernel = layer.weights.transpose(order)
    stride = 2 if number in STRIDE_TWO else 1
    size = kernel.shape[2]
    inputs = [
        x,
        _weights(graph, f"layer{number}", kernel, layer.scales[:, None, None, None]),
        graph.constant(f"layer{number}.b", layer.bias.astype(np.float32)),
    ]
    pads = same_padding(size, stride)
    group = kernel.shape[0] if is_depthwise else 1
    out = graph.node("Conv", inputs, f"layer{number}.out", strides=[stride, stride], pads=pads, group=group)
    return graph.node("Clip", [out, "zero", "six"], f"layer{number}.relu6")


def _weights(graph: Graph, name: str, integers: NDArray[np.int8], scales: Floats) -> str:
    """int8 in the file, float32 once loaded: onnxruntime folds the two nodes into a constant."""
    stored = graph.constant(f"{name}.w8", np.ascontiguousarray(integers))
    scale = graph.constant(f"{name}.scale", scales.astype(np.float32))
    as_float = graph.node("Cast", [stored], f"{name}.cast", to=TensorProto.FLOAT)
    return graph.node("Mul", [as_float, scale], f"{name}.w")


def _model(graph: Graph) -> onnx.ModelProto:
    samples = helper.make_tensor_value_info("samples", TensorProto.FLOAT, ["patches", SOUND_PATCH_SAMPLES])
    embedding = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["patches", FEATURE_DIMENSION])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["patches", SCORE_COUNT])
    body = helper.make_graph(graph.nodes, "yamnet", [samples], [embedding, scores], graph.initializers)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(model)
    return model
