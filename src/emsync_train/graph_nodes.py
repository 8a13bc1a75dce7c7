"""Nodes and weights of an ONNX graph that is written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from emsync_train.quantise import BLOCK, Weight, quantise

Quantisation: TypeAlias = Literal["fp32", "int8", "int4"]
CONTRIB = "com.microsoft"
_BITS: dict[str, int] = {"int8": 8, "int4": 4}
_INT8_ACTIVATIONS = 4
"""`accuracy_level` of MatMulNBits that multiplies in int8, the only fast path for 8-bit weights on a CPU."""


class GraphNodes:
    """Nodes and weights in the order in which they are added; every name is given once."""

    def __init__(self, quantisation: Quantisation) -> None:
        self.quantisation = quantisation
        self.bits = _BITS.get(quantisation)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[TensorProto] = []

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """Add a weight and return its name."""
        self.constants.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
        return name

    def node(self, operator: str, inputs: Sequence[str], name: str, **attributes: Any) -> str:
        """Add a standard node whose only output has the node's name; return it."""
        self.nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def fused(self, operator: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> None:
        """Add an operator of ONNX Runtime's own."""
        name = outputs[0]
        self.nodes.append(
            helper.make_node(operator, inputs, outputs, name=name, domain=CONTRIB, **attributes)
        )

    def linear(self, x: str, weight: Weight, name: str) -> str:
        """x (..., K) times weight (N, K) transposed, quantised where asked -> (..., N)."""
        if self.bits is None:
            return self.node("MatMul", [x, self.constant(f"{name}.weight", weight.T)], name)
        return self.quantised_linear(x, weight, name, bits=self.bits)

    def quantised_linear(self, x: str, weight: Weight, name: str, *, bits: int) -> str:
        """The same with codes of 4 or 8 bits."""
        outputs, inputs = weight.shape
        codes, scales = quantise(weight, bits)
        matrix = [self.constant(f"{name}.codes", codes), self.constant(f"{name}.scales", scales)]
        self.fused(
            "MatMulNBits",
            [x, *matrix],
            [name],
            N=outputs,
            K=inputs,
            bits=bits,
            block_size=BLOCK,
            accuracy_level=_INT8_ACTIVATIONS,
        )
        return name

    def either(
        self, condition: str, then: tuple[GraphNodes, str], otherwise: tuple[GraphNodes, str], result: str
    ) -> str:
        """One of two subgraphs, by a boolean input; each is given with the name of its only output.

        A subgraph reads inputs, nodes and weights of this graph by their names.
        """
        branches = {
            name: helper.make_graph(
                inner.nodes,
                f"{result}.{name}",
                [],
                [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
                inner.constants,
            )
            for name, (inner, output) in (("then_branch", then), ("else_branch", otherwise))
        }
        return self.node("If", [condition], result, **branches)
