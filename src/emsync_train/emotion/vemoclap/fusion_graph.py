"""The fusion head as an ONNX graph, written node by node like the project's other networks.

inputs, for every modality: NAME float32 (films, steps_NAME, D), NAME_mask float32 (films, steps_NAME)
output: logits float32 (films, classes)
"""

from __future__ import annotations

import json
import math

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper
from torch import Tensor, nn

from emsync_train.emotion.image_net import IR_VERSION, OPSET, Graph
from emsync_train.emotion.vemoclap.fusion import BLOCKED, CrossAttention, FusionHead


def fusion_graph(head: FusionHead) -> onnx.ModelProto:
    """The head with its standardisation and its way with missing modalities inside."""
    graph = Graph()
    for name, value in (("one", 1.0), ("blocked", BLOCKED)):
        graph.constant(name, np.array(value, np.float32))
    graph.constant("last_axis", np.array([-1]))
    graph.constant("steps_axis", np.array([1]))
    steps = [_projected(graph, head, number) for number in range(len(head.config.specs))]
    answers = [
        _answer(graph, head, number, steps[asking], steps[asked])
        for number, (asking, asked) in enumerate(head.config.pairs)
    ]
    together = graph.node("Concat", answers, "together", axis=1)
    _linear(graph, head.decision, together, "logits")
    return _model(graph, head)


def _projected(graph: Graph, head: FusionHead, number: int) -> str:
    """Standardised and projected steps of one modality; leaves NAME.there and NAME.known behind."""
    name = head.config.specs[number].name
    mean = graph.constant(f"{name}.mean", _values(head.get_buffer(f"mean_{number}")))
    scale = graph.constant(f"{name}.scale", _values(head.get_buffer(f"scale_{number}")))
    mask = graph.node("Unsqueeze", [f"{name}_mask", "last_axis"], f"{name}.mask")
    centred = graph.node("Sub", [name, mean], f"{name}.centred")
    scaled = graph.node("Div", [centred, scale], f"{name}.scaled")
    _presence(graph, head, name)
    projection = head.projections[number]
    return _linear(graph, projection, graph.node("Mul", [scaled, mask], f"{name}.masked"), f"{name}.steps")


def _presence(graph: Graph, head: FusionHead, name: str) -> None:
    """NAME.there (films, steps): which steps are attended to; NAME.known (films, 1): whether there are any."""
    has_any = graph.node("ReduceMax", [f"{name}_mask"], f"{name}.any", axes=[1], keepdims=1)
    if head.config.missing == "mask":
        graph.node("Identity", [f"{name}_mask"], f"{name}.there")
        graph.node("Identity", [has_any], f"{name}.known")
        return
    bounds = [graph.constant(f"{name}.{end}", np.array([end])) for end in (0, 1, np.iinfo(np.int64).max)]
    first = graph.node("Slice", [f"{name}_mask", bounds[0], bounds[1], "steps_axis"], f"{name}.first")
    rest = graph.node("Slice", [f"{name}_mask", bounds[1], bounds[2], "steps_axis"], f"{name}.rest")
    lacks_all = graph.node("Sub", ["one", has_any], f"{name}.none")
    switched = graph.node("Max", [first, lacks_all], f"{name}.switched")
    graph.node("Concat", [switched, rest], f"{name}.there", axis=1)
    graph.node("Add", [has_any, lacks_all], f"{name}.known")


def _answer(graph: Graph, head: FusionHead, pair: int, asking: str, asked: str) -> str:
    """What one modality learns from another, mean over its steps, shape (films, width)."""
    attention = head.attentions[pair]
    assert isinstance(attention, CrossAttention)
    of, by = asked.removesuffix(".steps"), asking.removesuffix(".steps")
    answer = _attention(graph, attention, asking, asked, f"{by}>{of}")
    there = graph.node("Unsqueeze", [f"{by}.there", "last_axis"], f"{by}>{of}.there")
    total = graph.node(
        "ReduceSum",
        [graph.node("Mul", [answer, there], f"{by}>{of}.kept"), "steps_axis"],
        f"{by}>{of}.total",
        keepdims=0,
    )
    count = graph.node("ReduceSum", [f"{by}.there", "steps_axis"], f"{by}>{of}.count", keepdims=1)
    mean = graph.node(
        "Div", [total, graph.node("Max", [count, "one"], f"{by}>{of}.steps")], f"{by}>{of}.mean"
    )
    both = graph.node("Mul", [f"{by}.known", f"{of}.known"], f"{by}>{of}.both")
    return graph.node("Mul", [mean, both], f"{by}>{of}.answer")


def _attention(graph: Graph, attention: CrossAttention, asking: str, asked: str, name: str) -> str:
    width = attention.query.in_features
    shape = graph.constant(f"{name}.split", np.array([0, 0, attention.heads, width // attention.heads]))
    joined = graph.constant(f"{name}.join", np.array([0, 0, width]))
    parts = []
    layers = (("q", attention.query, asking), ("k", attention.key, asked), ("v", attention.value, asked))
    for part, layer, source in layers:
        flat = _linear(graph, layer, source, f"{name}.{part}.flat")
        split = graph.node("Reshape", [flat, shape], f"{name}.{part}.split")
        order = [0, 2, 3, 1] if part == "k" else [0, 2, 1, 3]
        parts.append(graph.node("Transpose", [split], f"{name}.{part}", perm=order))
    root = graph.constant(f"{name}.root", np.array(math.sqrt(width // attention.heads), np.float32))
    product = graph.node("MatMul", parts[:2], f"{name}.product")
    scores = graph.node("Div", [product, root], f"{name}.scores")
    seen = graph.node("Add", [scores, _blocking(graph, asked, name)], f"{name}.seen")
    weighed = graph.node(
        "MatMul", [graph.node("Softmax", [seen], f"{name}.weights", axis=-1), parts[2]], f"{name}.weighed"
    )
    back = graph.node("Transpose", [weighed], f"{name}.back", perm=[0, 2, 1, 3])
    return graph.node("Reshape", [back, joined], f"{name}.joined")


def _blocking(graph: Graph, asked: str, name: str) -> str:
    """0 for steps that are there, a very negative number for others, shape (films, 1, 1, steps)."""
    absent = graph.node("Sub", ["one", f"{asked.removesuffix('.steps')}.there"], f"{name}.absent")
    axes = graph.constant(f"{name}.axes", np.array([1, 2]))
    wide = graph.node("Unsqueeze", [absent, axes], f"{name}.wide")
    return graph.node("Mul", [wide, "blocked"], f"{name}.blocking")


def _linear(graph: Graph, layer: nn.Module, source: str, output: str) -> str:
    assert isinstance(layer, nn.Linear)
    weight = graph.constant(f"{output}.weight", _values(layer.weight.T))
    bias = graph.constant(f"{output}.bias", _values(layer.bias))
    return graph.node("Add", [graph.node("MatMul", [source, weight], f"{output}.product"), bias], output)


def _values(tensor: Tensor) -> NDArray[np.float32]:
    return np.ascontiguousarray(tensor.detach().numpy(), dtype=np.float32)


def _model(graph: Graph, head: FusionHead) -> onnx.ModelProto:
    inputs = []
    for spec in head.config.specs:
        shape = ["films", f"steps_{spec.name}"]
        inputs.append(helper.make_tensor_value_info(spec.name, TensorProto.FLOAT, [*shape, spec.dimension]))
        inputs.append(helper.make_tensor_value_info(f"{spec.name}_mask", TensorProto.FLOAT, shape))
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["films", head.config.classes])
    body = helper.make_graph(graph.nodes, "vemoclap_fusion", inputs, [logits], graph.initializers)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    helper.set_model_props(
        model, {"missing": head.config.missing, "names": json.dumps([s.name for s in head.config.specs])}
    )
    onnx.checker.check_model(model)
    return model
