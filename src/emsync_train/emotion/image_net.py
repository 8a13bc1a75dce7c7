"""EfficientNet-Lite0 as an ONNX graph: from the published torch weights to pooled features.

The graph is written node by node from the state dict, with every batch normalisation folded into the
convolution before it, so no tracer is needed and every node has a known reason:

    rgb uint8 (N, 224, 224, 3) -> (x - 127) / 128 -> (N, 3, 224, 224)
        -> stem 3x3 / 2 -> 16 inverted residual blocks -> 1x1 to 1280 channels -> mean over 7x7
        -> features float32 (N, 1280)

Source: Tan & Le 2019 (arXiv:1905.11946); the Lite variant has no squeeze-and-excitation and ReLU6.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from emsync.emotion.features.image import FEATURE_DIMENSION, IMAGE_SIZE

BLOCK_STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1)
"""Stride of each of the 16 blocks: groups of 1, 2, 2, 3, 3, 4, 1 whose first strides are 1 2 2 2 1 2 1."""

BATCH_NORM_EPSILON = 1e-3
OPSET = 17
IR_VERSION = 8

StateDict = Mapping[str, NDArray[np.float32]]


class Graph:
    """Nodes and constants in the order in which the picture meets them."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def constant(self, name: str, values: NDArray[np.generic]) -> str:
        """Hold values under a name; returns the name."""
        self.initializers.append(numpy_helper.from_array(values, name))
        return name

    def node(self, op_type: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Add a node whose only output has the name of the node; returns it."""
        self.nodes.append(helper.make_node(op_type, inputs, [output], name=output, **attributes))
        return output


def build_image_net(weights: StateDict) -> onnx.ModelProto:
    """The feature network in float32.

    Args:
        weights: the published state dict, names as in `efficientnet-lite0-57934424.pth`.
    """
    graph = Graph()
    graph.constant("six", np.array(6.0, np.float32))
    graph.constant("zero", np.array(0.0, np.float32))
    x = _normalised_picture(graph)
    x = _convolution(graph, x, weights, convolution="_conv_stem", norm="_bn0", stride=2)
    x = _relu6(graph, x)
    for index, stride in enumerate(BLOCK_STRIDES):
        x = _block(graph, x, weights, prefix=f"_blocks.{index}.", stride=stride)
    x = _convolution(graph, x, weights, convolution="_conv_head", norm="_bn1")
    x = _relu6(graph, x)
    graph.node("ReduceMean", [x], "features", axes=[2, 3], keepdims=0)
    return _model(graph)


def _normalised_picture(graph: Graph) -> str:
    """uint8 (N, 224, 224, 3) to float (N, 3, 224, 224) around zero."""
    as_float = graph.node("Cast", ["rgb"], "rgb_float", to=TensorProto.FLOAT)
    centred = graph.node("Sub", [as_float, graph.constant("mean", np.array(127, np.float32))], "centred")
    scaled = graph.node("Mul", [centred, graph.constant("scale", np.array(1 / 128, np.float32))], "scaled")
    return graph.node("Transpose", [scaled], "picture", perm=[0, 3, 1, 2])


def _block(graph: Graph, x: str, weights: StateDict, *, prefix: str, stride: int) -> str:
    """Inverted residual: widen (1x1), filter per channel, narrow (1x1), add the input where shapes allow."""
    block_input = x
    if f"{prefix}_expand_conv.weight" in weights:
        x = _convolution(graph, x, weights, convolution=f"{prefix}_expand_conv", norm=f"{prefix}_bn0")
        x = _relu6(graph, x)
    x = _convolution(
        graph, x, weights, convolution=f"{prefix}_depthwise_conv", norm=f"{prefix}_bn1", stride=stride
    )
    x = _relu6(graph, x)
    x = _convolution(graph, x, weights, convolution=f"{prefix}_project_conv", norm=f"{prefix}_bn2")
    if stride == 1 and _block_width_in(weights, prefix) == weights[f"{prefix}_project_conv.weight"].shape[0]:
        x = graph.node("Add", [x, block_input], f"{prefix}sum")
    return x


def _block_width_in(weights: StateDict, prefix: str) -> int:
    expand = weights.get(f"{prefix}_expand_conv.weight")
    return int(weights[f"{prefix}_depthwise_conv.weight"].shape[0] if expand is None else expand.shape[1])


def _convolution(
    graph: Graph, x: str, weights: StateDict, *, convolution: str, norm: str, stride: int = 1
) -> str:
    """A convolution with its batch normalisation folded in: w * g / s and b - m * g / s, s the deviation."""
    kernel = weights[f"{convolution}.weight"]
    gain = weights[f"{norm}.weight"] / np.sqrt(weights[f"{norm}.running_var"] + BATCH_NORM_EPSILON)
    bias = weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * gain
    inputs = [
        x,
        graph.constant(f"{convolution}.w", (kernel * gain[:, None, None, None]).astype(np.float32)),
        graph.constant(f"{convolution}.b", bias.astype(np.float32)),
    ]
    size = kernel.shape[2]
    is_depthwise = "depthwise" in convolution
    return graph.node(
        "Conv",
        inputs,
        f"{convolution}.out",
        kernel_shape=[size, size],
        strides=[stride, stride],
        pads=same_padding(size, stride),
        group=kernel.shape[0] if is_depthwise else 1,
    )


def same_padding(size: int, stride: int) -> list[int]:
    """TensorFlow's SAME padding of an even input: top, left, bottom, right; the odd pixel goes last.

    >>> same_padding(3, 1), same_padding(3, 2), same_padding(5, 2)
    ([1, 1, 1, 1], [0, 0, 1, 1], [1, 1, 2, 2])
    """
    total = size - stride if stride > 1 else size - 1
    before = total // 2
    return [before, before, total - before, total - before]


def _relu6(graph: Graph, x: str) -> str:
    return graph.node("Clip", [x, "zero", "six"], f"{x}.relu6")


def _model(graph: Graph) -> onnx.ModelProto:
    size = IMAGE_SIZE
    rgb = helper.make_tensor_value_info("rgb", TensorProto.UINT8, ["frames", size, size, 3])
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["frames", FEATURE_DIMENSION])
    body = helper.make_graph(graph.nodes, "efficientnet_lite0", [rgb], [features], graph.initializers)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(model)
    return model
