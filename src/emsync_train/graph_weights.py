"""The weights back out of an exported graph: what a later run can begin with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import numpy_helper

from emsync_train.quantise import BLOCK, Weight


def weights_of_graph(path: Path) -> dict[str, Weight]:
    """The matrices, embedding and norms of an exported graph, under their names in the network.

    Quantised matrices come back as codes times scales. An output layer is there if it was not tied to the embedding.
    The condition encoder is left out: its networks are folded together in the graph.

    Raises: OSError if the file cannot be read, ValueError if it is no graph of this module.
    """
    try:
        proto = onnx.load(path)
    except DecodeError as error:
        raise ValueError(f"not an ONNX file: {error}") from error
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    inputs = {
        node.name: attribute.i
        for node in proto.graph.node
        for attribute in node.attribute
        if attribute.name == "K"
    }
    weights = {
        name: value
        for name, value in constants.items()
        if name.endswith("norm.scale") or name in ("embedding.weight", "output.weight")
    }
    for name, codes in constants.items():
        layer = name.removesuffix(".codes")
        if layer == name or not layer.startswith(("blocks.", "output")):
            continue
        if codes.shape[-1] != BLOCK:
            raise ValueError(f"{name} has 4-bit weights; export with int8 or fp32")
        scales = constants[f"{layer}.scales"].reshape(codes.shape[0], -1, 1)
        matrix = (codes.astype(np.float32) - 128) * scales
        whole = matrix.reshape(len(codes), -1)[:, : inputs[layer]]  # the last block may be padded
        weights[f"{layer}.weight"] = np.ascontiguousarray(whole, np.float32)
    weights |= {
        name: np.ascontiguousarray(value.T)
        for name, value in constants.items()
        if name.startswith("blocks.") and name.endswith(".weight")
    }
    return weights
