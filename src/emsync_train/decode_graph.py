"""The composer network as an ONNX graph that decodes one step over a KV cache updated in place.

    tokens (B, T), conditions and present (B, T, 11) -> embedding + condition encoder
      -> blocks: norm, GroupQueryAttention over the KV cache, norm, squared ReLU -> logits (B, V) of the last

The graph is written by hand, node by node, because the fused operators that make decoding fast (attention
over a cache that is updated in place, block-wise quantised matrices) have no counterpart in torch. Cosines
and sines of the rotation are inputs, so that the host can give exact ones at any position of the music, and so is which
of them each token takes: rows of a batch may stand at different positions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from emsync.music.conditions import GROUP_CONDITIONS, Condition
from emsync_train.model import (
    BAR_DIVISIONS,
    BAR_HARMONICS,
    NORM_EPSILON,
    OFFSET_DECAYS_S,
    OFFSET_WAVES,
    PASSED_S,
    ConditionEncoder,
)
from emsync_train.model_config import ModelConfig
from emsync_train.quantise import BLOCK, Weight, quantise

Quantisation: TypeAlias = Literal["fp32", "int8", "int4"]
_BITS: dict[str, int] = {"int8": 8, "int4": 4}
_INT8_ACTIVATIONS = 4
"""`accuracy_level` of MatMulNBits that multiplies in int8, the only fast path for 8-bit weights on a CPU."""
_CONTRIB = "com.microsoft"
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


class _Graph:
    """Nodes and weights in the order in which they are added; every name is given once."""

    def __init__(self, quantisation: Quantisation) -> None:
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
            helper.make_node(operator, inputs, outputs, name=name, domain=_CONTRIB, **attributes)
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
        self.graph = _Graph(quantisation)

    def build(self) -> onnx.ModelProto:
        """The whole model, without metadata."""
        graph = self.graph
        embedding = graph.constant("embedding.weight", self.weights["embedding.weight"])
        embedded = graph.node("Gather", [embedding, "tokens"], "embedding")
        stream, change = embedded, self._condition_encoder()  # both (B, T, W); their sum is the stream
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

    def _condition_encoder(self) -> str:
        """The five small networks as one, and the instrument groups, (B, T, W).

        First layers stand side by side in one block-diagonal matrix, their biases multiplied by `known`, so
        that a missing condition gives an exact zero; second layers lie one under another, which sums them.
        Bias of the second layer where known and null where not: `known @ (bias - null) + sum(null)`.
        """
        graph, weights, prefix = self.graph, self.weights, "condition_encoder"
        count = len(ConditionEncoder.KNOWN_BY)
        inner = [weights[f"{prefix}.inner.{index}.weight"] for index in range(count)]
        biases = [weights[f"{prefix}.inner.{index}.bias"] for index in range(count)]
        known = self._gathered(
            "present", [int(condition) for condition in ConditionEncoder.KNOWN_BY], "known"
        )
        features = self._condition_features([matrix.shape[1] for matrix in inner])
        first = graph.constant(f"{prefix}.first", _block_diagonal(inner, biases))
        hidden = graph.node("MatMul", [features, first], f"{prefix}.hidden")
        positive = graph.node("Relu", [hidden], f"{prefix}.relu")
        second = np.concatenate([weights[f"{prefix}.outer.{index}.weight"] for index in range(count)], axis=1)
        encoded = graph.linear(positive, second, f"{prefix}.second")
        null = weights[f"{prefix}.null"]
        bias = np.stack([weights[f"{prefix}.outer.{index}.bias"] for index in range(count)]) - null
        shifts = graph.node("MatMul", [known, graph.constant(f"{prefix}.bias", bias)], f"{prefix}.known")
        total = graph.node("Add", [encoded, shifts], f"{prefix}.sum")
        total = graph.node("Add", [total, self._groups()], f"{prefix}.with_groups")
        return graph.node("Add", [total, graph.constant(f"{prefix}.null", null.sum(0))], prefix)

    def _groups(self) -> str:
        """A vector for each group that plays and for each of which it is known, (B, T, W)."""
        places = list(range(GROUP_CONDITIONS.start, GROUP_CONDITIONS.stop))
        known = self._gathered("present", places, "groups.known")
        values = self._gathered("conditions", places, "groups.values")
        plays = self.graph.node("Mul", [values, known], "groups.plays")
        both = self.graph.node("Concat", [plays, known], "groups.both", axis=-1)
        weight = self.graph.constant("groups.weight", self.weights["condition_encoder.groups.weight"].T)
        return self.graph.node("MatMul", [both, weight], "groups")

    def _gathered(self, values: str, places: Sequence[int] | int, name: str) -> str:
        """Columns of the last axis; a single number takes the axis away."""
        return self.graph.node(
            "Gather",
            [values, self.graph.constant(f"{name}.places", np.array(places, np.int64))],
            name,
            axis=-1,
        )

    def _condition_features(self, widths: Sequence[int]) -> str:
        """Affect, offsets and bar as the first layers read them, each times `known`; then `known` itself."""
        graph = self.graph
        affect = self._gathered("conditions", [Condition.VALENCE, Condition.AROUSAL], "affect")
        offsets = [
            self._offset(int(condition), condition.name.lower())
            for condition in (Condition.BOUNDARY_OFFSET_S, Condition.END_OFFSET_S)
        ]
        features = graph.node("Concat", [affect, *offsets, self._bar()], "features", axis=-1)
        mask = self._gathered("known", np.repeat(np.arange(len(widths)), widths).tolist(), "features.mask")
        masked = graph.node("Mul", [features, mask], "features.masked")
        return graph.node("Concat", [masked, "known"], "features.all", axis=-1)

    def _clipped(self, x: str, lowest: float, name: str) -> str:
        limits = [
            self.graph.constant(f"{name}.lowest", np.array(lowest, np.float32)),
            self.graph.constant(f"{name}.highest", np.array(self.config.horizon_s, np.float32)),
        ]
        return self.graph.node("Clip", [x, *limits], name)

    def _waves(self, seconds: str, name: str) -> str:
        """Sines and cosines of (..., 1), (..., 2 x waves)."""
        octaves = np.float32(math.pi / self.config.horizon_s) * 2.0 ** np.arange(
            OFFSET_WAVES, dtype=np.float32
        )
        phases = self.graph.node(
            "Mul", [seconds, self.graph.constant(f"{name}.octaves", octaves)], f"{name}.phases"
        )
        both = [self.graph.node(kind, [phases], f"{name}.{kind}") for kind in ("Sin", "Cos")]
        return self.graph.node("Concat", both, f"{name}.waves", axis=-1)

    def _offset(self, column: int, name: str) -> str:
        """Waves and decays of an offset."""
        graph = self.graph
        offset_s = self._clipped(self._gathered("conditions", [column], name), 0.0, f"{name}.clipped")
        decays_s = graph.constant(f"{name}.decays_s", -np.array(OFFSET_DECAYS_S, np.float32))
        steep = graph.node("Div", [offset_s, decays_s], f"{name}.steep")
        decayed = graph.node("Exp", [steep], f"{name}.decayed")
        return graph.node("Concat", [self._waves(offset_s, name), decayed], f"{name}.features", axis=-1)

    def _bar(self) -> str:
        """Length of the bar, time to the next point of each division, phase: see `model.bar_features`."""
        graph = self.graph
        length_s = self._clipped(
            self._gathered("conditions", [Condition.BAR_LENGTH_S], "bar"), 0.1, "bar.length_s"
        )
        phase = self._gathered("conditions", [Condition.BAR_PHASE], "bar.phase")
        divisions = graph.constant("bar.divisions", np.array(BAR_DIVISIONS, np.float32))
        steps_s = graph.node("Div", [length_s, divisions], "bar.steps_s")
        done = graph.node("Mul", [phase, divisions], "bar.done")
        passed_s = graph.constant("bar.passed_s", np.array(PASSED_S, np.float32))
        slack = graph.node("Div", [passed_s, steps_s], "bar.slack")
        floor = graph.node("Floor", [graph.node("Add", [done, slack], "bar.reached")], "bar.floor")
        left = graph.node("Sub", [floor, done], "bar.left")
        ahead = graph.node("Add", [left, graph.constant("bar.one", np.array(1, np.float32))], "bar.ahead")
        ahead_s = graph.node("Mul", [ahead, steps_s], "bar.ahead_s")
        times_s = graph.node("Concat", [length_s, ahead_s], "bar.times_s", axis=-1)  # (B, T, 1 + divisions)
        last = graph.constant("bar.last", np.array([-1], np.int64))
        waves = self._waves(graph.node("Unsqueeze", [times_s, last], "bar.each"), "bar")
        shape = graph.constant("bar.shape", np.array([0, 0, -1], np.int64))
        told = graph.node("Reshape", [waves, shape], "bar.told")
        harmonics = graph.constant(
            "bar.harmonics", np.float32(2 * math.pi) * np.array(BAR_HARMONICS, np.float32)
        )
        turns = graph.node("Mul", [phase, harmonics], "bar.turns")
        circles = [graph.node(kind, [turns], f"bar.{kind}.turns") for kind in ("Sin", "Cos")]
        return graph.node("Concat", [told, *circles], "bar.features", axis=-1)

    def _model(self) -> onnx.ModelProto:
        config = self.config
        size = config.width // config.heads
        cache: list[str | int | None] = ["B", config.heads, config.context, size]
        real, whole, place = TensorProto.FLOAT, TensorProto.INT64, TensorProto.INT32
        inputs = [
            helper.make_tensor_value_info("tokens", whole, ["B", "T"]),
            helper.make_tensor_value_info("conditions", real, ["B", "T", len(Condition)]),
            helper.make_tensor_value_info("present", real, ["B", "T", len(Condition)]),
            helper.make_tensor_value_info("last_place", place, ["B"]),
            helper.make_tensor_value_info("length", place, [1]),
            helper.make_tensor_value_info("cosines", real, [config.context, size // 2]),
            helper.make_tensor_value_info("sines", real, [config.context, size // 2]),
            helper.make_tensor_value_info("rotations", whole, ["B", "T"]),
        ]
        stored = real if self.cache_peaks is None else TensorProto.INT8
        outputs = [helper.make_tensor_value_info("logits", real, ["B", config.vocabulary_size])]
        for layer in range(config.layers):
            for kind in ("key", "value"):
                inputs.append(helper.make_tensor_value_info(f"past_{kind}.{layer}", stored, cache))
                outputs.append(helper.make_tensor_value_info(f"present_{kind}.{layer}", stored, cache))
        graph = helper.make_graph(self.graph.nodes, "composer", inputs, outputs, self.graph.constants)
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(_CONTRIB, _CONTRIB_OPSET)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="emsync")


def _block_diagonal(layers: Sequence[Weight], biases: Sequence[Weight]) -> Weight:
    """Matrices (W, K_i) side by side over a row for each bias, shape (sum K_i + count, count * W)."""
    widths, width = [layer.shape[1] for layer in layers], layers[0].shape[0]
    matrix = np.zeros((sum(widths) + len(layers), len(layers) * width), np.float32)
    row = 0
    for index, layer in enumerate(layers):
        columns = slice(index * width, (index + 1) * width)
        matrix[row : row + widths[index], columns] = layer.T
        matrix[sum(widths) + index, columns] = biases[index]
        row += widths[index]
    return matrix
