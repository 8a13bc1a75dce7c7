"""The condition encoder of the composer as part of its ONNX graph.

conditions and present (B, T, 11) -> told (B, T, W)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from emsync.music.conditions import GROUP_CONDITIONS, Condition
from emsync_train.graph_nodes import GraphNodes
from emsync_train.model import (
    BAR_DIVISIONS,
    BAR_HARMONICS,
    OFFSET_DECAYS_S,
    OFFSET_WAVES,
    PASSED_S,
    ConditionEncoder,
)
from emsync_train.quantise import Weight


class ConditionGraph:
    """Adds the nodes of the encoder to a graph with the inputs `conditions` and `present`."""

    def __init__(self, graph: GraphNodes, weights: Mapping[str, Weight], *, horizon_s: float) -> None:
        self.graph, self.weights, self.horizon_s = graph, weights, horizon_s

    def build(self) -> str:
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
            self.graph.constant(f"{name}.highest", np.array(self.horizon_s, np.float32)),
        ]
        return self.graph.node("Clip", [x, *limits], name)

    def _waves(self, seconds: str, name: str) -> str:
        """Sines and cosines of (..., 1), (..., 2 x waves)."""
        octaves = np.float32(math.pi / self.horizon_s) * 2.0 ** np.arange(OFFSET_WAVES, dtype=np.float32)
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
