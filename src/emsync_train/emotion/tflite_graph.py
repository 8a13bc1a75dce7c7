"""A small TensorFlow Lite network as an ONNX graph: the dozen operators that the face networks are made of.

Pictures lie channels first in ONNX and channels last in TensorFlow Lite. Weights are kept as float16 (those of
the detector are published so; the 8-bit ones of the other lose at most 1/2048 of their size) and become float32
at load, where onnxruntime folds the two into a constant.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from emsync.types import Floats
from emsync_train.emotion.image_net import IR_VERSION, OPSET, Graph

NUMPY_TYPES = {0: np.float32, 1: np.float16, 2: np.int32, 9: np.int8}
"""TensorFlow Lite's numbers for the types that are read here."""

RELU, RELU6 = 1, 3
"""Activations that other operators end with."""

SAME, VALID = 0, 1


class TfliteGraph(Graph):
    """The graph while operator after operator is translated; `tensors` tells what stands for which tensor."""

    def __init__(self, content: bytes, input_name: str) -> None:
        super().__init__()
        import tflite  # type: ignore[import-not-found, unused-ignore]  # noqa: PLC0415

        self._tflite = tflite
        self._model = tflite.Model.GetRootAsModel(content, 0)
        self._source = self._model.Subgraphs(0)
        self.tensors: dict[int, str] = {int(self._source.Inputs(0)): self._picture(input_name)}
        self._constants: dict[int, NDArray[Any]] = {}
        builtin = vars(tflite.BuiltinOperator)
        self._names = {value: name for name, value in builtin.items() if isinstance(value, int)}

    def translate(self) -> list[tuple[str, int]]:
        """All operators in order; returns the names of the outputs with the length of their last axis."""
        for number in range(self._source.OperatorsLength()):
            node = self._source.Operators(number)
            code = self._model.OperatorCodes(node.OpcodeIndex())
            name = self._names[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
            translate: dict[str, Callable[[Any, str], str | None]] = {
                "DEQUANTIZE": self._dequantize,
                "CONV_2D": self._convolution,
                "DEPTHWISE_CONV_2D": partial(self._convolution, is_depthwise=True),
                "RELU": lambda node, out: self.node("Relu", [self._input(node, 0)], out),
                "SOFTMAX": lambda node, out: self.node("Softmax", [self._input(node, 0)], out, axis=-1),
                "ADD": self._add,
                "PAD": self._pad,
                "MAX_POOL_2D": self._max_pool,
                "MEAN": lambda node, out: self.node(
                    "ReduceMean", [self._input(node, 0)], out, axes=[2, 3], keepdims=0
                ),
                "RESHAPE": self._reshape,
                "CONCATENATION": self._concatenation,
            }
            made = translate[name](node, f"tensor{node.Outputs(0)}")
            if made is not None:
                self.tensors[int(node.Outputs(0))] = made
        numbers = [int(number) for number in self._source.OutputsAsNumpy()]
        return [(self.tensors[number], int(self._shape(number)[-1])) for number in numbers]

    def model(
        self, input_name: str, piece: tuple[int, ...], output_name: str, result: tuple[int, ...]
    ) -> onnx.ModelProto:
        """The finished network: uint8 (N, *piece) in, float32 (N, *result) out."""
        source = helper.make_tensor_value_info(input_name, TensorProto.UINT8, ["pieces", *piece])
        target = helper.make_tensor_value_info(output_name, TensorProto.FLOAT, ["pieces", *result])
        body = helper.make_graph(self.nodes, output_name, [source], [target], self.initializers)
        opsets = [helper.make_opsetid("", OPSET)]
        made = helper.make_model(body, opset_imports=opsets, ir_version=IR_VERSION)
        onnx.checker.check_model(made)
        return made

    def _picture(self, input_name: str) -> str:
        """uint8 (N, H, W, C) to float (N, C, H, W) in [-1, 1]."""
        as_float = self.node("Cast", [input_name], "as_float", to=TensorProto.FLOAT)
        middle = self.constant("middle", np.array(127.5, np.float32))
        scaled = self.node("Div", [as_float, middle], "scaled")
        centred = self.node("Sub", [scaled, self.constant("one", np.array(1, np.float32))], "centred")
        return self.node("Transpose", [centred], "picture", perm=[0, 3, 1, 2])

    def _shape(self, tensor: int) -> list[int]:
        return [int(size) for size in self._source.Tensors(tensor).ShapeAsNumpy()]

    def _value(self, tensor: int) -> NDArray[Any]:
        """A constant as numbers, 8-bit ones multiplied by their scales."""
        if tensor in self._constants:
            return self._constants[tensor]
        entry = self._source.Tensors(tensor)
        stored = self._model.Buffers(entry.Buffer()).DataAsNumpy().tobytes()
        values = np.frombuffer(stored, NUMPY_TYPES[entry.Type()]).reshape(self._shape(tensor))
        return _restored(values, entry.Quantization()) if values.dtype == np.int8 else values

    def _input(self, node: Any, place: int) -> str:
        return self.tensors[int(node.Inputs(place))]

    def _weights(self, name: str, values: NDArray[Any]) -> str:
        stored = self.constant(f"{name}.w16", np.ascontiguousarray(values, np.float16))
        return self.node("Cast", [stored], f"{name}.w", to=TensorProto.FLOAT)

    def _options(self, node: Any, kind: str) -> Any:
        options = getattr(self._tflite, kind)()
        options.Init(node.BuiltinOptions().Bytes, node.BuiltinOptions().Pos)
        return options

    def _activated(self, name: str, activation: int) -> str:
        if activation == RELU:
            return self.node("Relu", [name], f"{name}.relu")
        if activation == RELU6:
            bounds = [np.array(value, np.float32) for value in (0, 6)]
            low, high = (self.constant(f"{name}.{value:.0f}", value) for value in bounds)
            return self.node("Clip", [name, low, high], f"{name}.relu6")
        return name

    def _dequantize(self, node: Any, output: str) -> None:
        """float16 weights: they stay what they are."""
        self._constants[int(node.Outputs(0))] = self._value(int(node.Inputs(0)))

    def _convolution(self, node: Any, output: str, *, is_depthwise: bool = False) -> str:
        kernel, bias = self._value(int(node.Inputs(1))), self._value(int(node.Inputs(2)))
        options = self._options(node, "DepthwiseConv2DOptions" if is_depthwise else "Conv2DOptions")
        kernel = kernel.transpose((3, 0, 1, 2) if is_depthwise else (0, 3, 1, 2))
        made = self.node(
            "Conv",
            [
                self._input(node, 0),
                self._weights(output, kernel),
                self.constant(f"{output}.b", np.asarray(bias, np.float32)),
            ],
            output,
            strides=[options.StrideH(), options.StrideW()],
            auto_pad="SAME_UPPER" if options.Padding() == SAME else "VALID",
            group=kernel.shape[0] if is_depthwise else 1,
        )
        return self._activated(made, options.FusedActivationFunction())

    def _add(self, node: Any, output: str) -> str:
        made = self.node("Add", [self._input(node, 0), self._input(node, 1)], output)
        return self._activated(made, self._options(node, "AddOptions").FusedActivationFunction())

    def _pad(self, node: Any, output: str) -> str:
        around = self._value(int(node.Inputs(1)))[[0, 3, 1, 2]]  # (4, 2), before and after each axis
        pads = self.constant(f"{output}.pads", around.T.ravel().astype(np.int64))
        return self.node("Pad", [self._input(node, 0), pads], output)

    def _max_pool(self, node: Any, output: str) -> str:
        options = self._options(node, "Pool2DOptions")
        return self.node(
            "MaxPool",
            [self._input(node, 0)],
            output,
            kernel_shape=[options.FilterHeight(), options.FilterWidth()],
            strides=[options.StrideH(), options.StrideW()],
            auto_pad="SAME_UPPER" if options.Padding() == SAME else "VALID",
        )

    def _reshape(self, node: Any, output: str) -> str:
        """Places and what was said of each in rows: channels go last again first."""
        last = self.node("Transpose", [self._input(node, 0)], f"{output}.last", perm=[0, 2, 3, 1])
        shape = self._shape(int(node.Outputs(0)))
        wanted = self.constant(f"{output}.shape", np.array([0, *shape[1:]], np.int64))
        return self.node("Reshape", [last, wanted], output)

    def _concatenation(self, node: Any, output: str) -> str:
        parts = [self._input(node, place) for place in range(node.InputsLength())]
        return self.node("Concat", parts, output, axis=self._options(node, "ConcatenationOptions").Axis())


def translated(content: bytes, *, input_name: str) -> tuple[TfliteGraph, list[tuple[str, int]]]:
    """The graph of a published file that takes pictures, with its outputs and the length of their last axis."""
    graph = TfliteGraph(content, input_name)
    return graph, graph.translate()


def _restored(values: NDArray[np.int8], quantisation: Any) -> Floats:
    """What 8-bit weights stand for; a scale belongs to each index of one axis, or to all."""
    scales = quantisation.ScaleAsNumpy()
    shape = [1] * values.ndim
    if len(scales) > 1:
        shape[quantisation.QuantizedDimension()] = len(scales)
    zeros = quantisation.ZeroPointAsNumpy()
    return np.asarray((values - np.float64(zeros).reshape(shape)) * np.float64(scales).reshape(shape))
