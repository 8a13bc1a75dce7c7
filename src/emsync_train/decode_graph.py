"""The composer network as an ONNX graph that decodes one step over a KV cache updated in place.

    tokens (B, T), conditions and present (B, T, 11) -> embedding + condition encoder
      -> blocks: norm, GroupQueryAttention over the KV cache, norm, squared ReLU -> logits (B, V) of the last

The graph is written by hand, node by node, because the fused operators that make decoding fast (attention
over a cache that is updated in place, block-wise quantised matrices) have no counterpart in torch. Cosines
and sines of the rotation are inputs, so that the host can give exact ones at any position of the music, and so is which
of them each token takes: rows of a batch may stand at different positions. What the conditions say comes out and is
given back: it is worked out only where `changed` is true.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from emsync.music.conditions import Condition
from emsync_train.condition_graph import ConditionGraph
from emsync_train.graph_nodes import CONTRIB, GraphNodes, Quantisation
from emsync_train.model import NORM_EPSILON
from emsync_train.model_config import ModelConfig
from emsync_train.quantise import Weight

_OPSET, _CONTRIB_OPSET, _IR_VERSION = 18, 1, 9
_INT8_PEAK, _SMALLEST_PEAK = 127, 1e-6


def build_graph(
    config: ModelConfig,
    weights: Mapping[str, Weight],
    quantisation: Quantisation,
    cache_peaks: Weight | None = None,
) -> onnx.ModelProto:
    """The decode step of one network, without metadata.

    Args:
        config: the sizes.
        weights: the state dict of `Composer` as fp32 arrays.
        quantisation: how matrices are stored. Embedding, norms and the first layer of the condition encoder
            stay fp32. Under int4 the output layer takes 8 bits: less harm for a twentieth of the size.
        cache_peaks: of `cache_range`, shape (layers, 2, heads, head size): the cache is kept in int8, scaled to
            them. Without, it is fp32.
    """
    return _ComposerGraph(config, weights, quantisation, cache_peaks).build()


class _ComposerGraph:
    """Builds the graph of one network from its state dict."""

    def __init__(
        self,
        config: ModelConfig,
        weights: Mapping[str, Weight],
        quantisation: Quantisation,
        cache_peaks: Weight | None,
    ) -> None:
        self.config = config
        self.weights = weights
        self.cache_peaks = cache_peaks
        self.graph = GraphNodes(quantisation)

    def build(self) -> onnx.ModelProto:
        """The whole model, without metadata."""
        graph = self.graph
        embedding = graph.constant("embedding.weight", self.weights["embedding.weight"])
        embedded = graph.node("Gather", [embedding, "tokens"], "embedding")
        stream, change = embedded, self._told()  # both (B, T, W); their sum is the stream
        for layer in range(self.config.layers):
            stream, change = self._block(layer, stream, change)
        last = graph.constant("last", np.array(-1, np.int64))
        stream = graph.node("Gather", [stream, last], "last.stream", axis=1)  # (B, W)
        change = graph.node("Gather", [change, last], "last.change", axis=1)
        normed, _ = self._add_and_normalise(stream, change, "final_norm")
        self._logits(normed)
        return self._model()

    def _logits(self, normed: str) -> None:
        """The output layer; where it shares the embedding's weights, fp32 stores them once, quantised twice."""
        graph = self.graph
        tied = "logits", self.weights["embedding.weight"]
        name, weight = tied if self.config.tied_output else ("output", self.weights["output.weight"])
        if graph.bits is not None:
            graph.quantised_linear(normed, weight, name, bits=8)
        elif self.config.tied_output:
            graph.node("Gemm", [normed, "embedding.weight"], name, transB=1)
        else:
            graph.node("Gemm", [normed, graph.constant("output.weight", weight)], name, transB=1)
        if name != "logits":
            graph.node("Identity", [name], "logits")

    def _add_and_normalise(self, stream: str, change: str, norm: str) -> tuple[str, str]:
        """Names of the normalised sum and of the sum itself."""
        scale = self.graph.constant(f"{norm}.scale", self.weights[f"{norm}.scale"])
        outputs = [norm, "", "", f"{norm}.stream"]
        self.graph.fused(
            "SkipSimplifiedLayerNormalization", [stream, change, scale], outputs, epsilon=NORM_EPSILON
        )
        return norm, f"{norm}.stream"

    def _block(self, layer: int, stream: str, change: str) -> tuple[str, str]:
        """Stream before the block and what was last added to it -> the same after the block."""
        name = f"blocks.{layer}"
        normed, stream = self._add_and_normalise(stream, change, f"{name}.attention_norm")
        change = self._attention(layer, normed)
        normed, stream = self._add_and_normalise(stream, change, f"{name}.feed_forward_norm")
        inner = self._linear(normed, f"{name}.feed_forward.inner")
        positive = self.graph.node("Relu", [inner], f"{name}.relu")
        squared = self.graph.node("Mul", [positive, positive], f"{name}.square")
        return stream, self._linear(squared, f"{name}.feed_forward.outer")

    def _told(self) -> str:
        """What the conditions say, (B, T, W): encoded if the input `changed` says so, else what it was before."""
        anew, kept = GraphNodes(self.graph.quantisation), GraphNodes(self.graph.quantisation)
        encoded = ConditionGraph(anew, self.weights, horizon_s=self.config.horizon_s).build()
        same = kept.node("Identity", ["told_before"], "told.same")
        return self.graph.either("changed", (anew, encoded), (kept, same), "told")

    def _linear(self, x: str, name: str) -> str:
        return self.graph.linear(x, self.weights[f"{name}.weight"], name)

    def _attention(self, layer: int, x: str) -> str:
        """Attention over the cache; the operator rotates, appends the new keys and values, and attends."""
        name = f"blocks.{layer}.attention"
        packed = self._linear(x, f"{name}.query_key_value")  # (B, T, 3 W): queries, keys, values
        cache = [f"past_key.{layer}", f"past_value.{layer}"]
        places = ["last_place", "length", "cosines", "sines", "rotations"]
        scales, kinds = self._cache_scales(layer)
        self.graph.fused(
            "GroupQueryAttention",
            [packed, "", "", *cache, *places, *scales],
            [f"{name}.attended", f"present_key.{layer}", f"present_value.{layer}"],
            num_heads=self.config.heads,
            kv_num_heads=self.config.heads,
            do_rotary=1,
            **kinds,
        )
        return self._linear(f"{name}.attended", f"{name}.output")

    def _cache_scales(self, layer: int) -> tuple[list[str], dict[str, Any]]:
        """Further inputs and attributes of an attention whose cache is int8: a scale per head and channel."""
        if self.cache_peaks is None:
            return [], {}
        scales = []
        for kind, peaks in zip(("key", "value"), self.cache_peaks[layer], strict=True):
            scale = np.maximum(peaks, _SMALLEST_PEAK) / _INT8_PEAK
            scales.append(
                self.graph.constant(f"{kind}_scale.{layer}", scale[None, :, None].astype(np.float32))
            )
        kinds = {"k_quant_type": "PER_CHANNEL", "v_quant_type": "PER_CHANNEL", "kv_cache_bit_width": 8}
        no_bias_and_sink = ["", ""]
        return [*no_bias_and_sink, *scales], kinds

    def _model(self) -> onnx.ModelProto:
        config = self.config
        size = config.width // config.heads
        cache: list[str | int | None] = ["B", config.heads, config.context, size]
        told: list[str | int | None] = ["B", "T", config.width]
        real, whole, place = TensorProto.FLOAT, TensorProto.INT64, TensorProto.INT32
        inputs = [
            helper.make_tensor_value_info("tokens", whole, ["B", "T"]),
            helper.make_tensor_value_info("conditions", real, ["B", "T", len(Condition)]),
            helper.make_tensor_value_info("present", real, ["B", "T", len(Condition)]),
            helper.make_tensor_value_info("changed", TensorProto.BOOL, []),
            helper.make_tensor_value_info("told_before", real, told),
            helper.make_tensor_value_info("last_place", place, ["B"]),
            helper.make_tensor_value_info("length", place, [1]),
            helper.make_tensor_value_info("cosines", real, [config.context, size // 2]),
            helper.make_tensor_value_info("sines", real, [config.context, size // 2]),
            helper.make_tensor_value_info("rotations", whole, ["B", "T"]),
        ]
        stored = real if self.cache_peaks is None else TensorProto.INT8
        outputs = [
            helper.make_tensor_value_info("logits", real, ["B", config.vocabulary_size]),
            helper.make_tensor_value_info("told", real, told),
        ]
        for layer in range(config.layers):
            for kind in ("key", "value"):
                inputs.append(helper.make_tensor_value_info(f"past_{kind}.{layer}", stored, cache))
                outputs.append(helper.make_tensor_value_info(f"present_{kind}.{layer}", stored, cache))
        graph = helper.make_graph(self.graph.nodes, "composer", inputs, outputs, self.graph.constants)
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(CONTRIB, _CONTRIB_OPSET)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="emsync")
