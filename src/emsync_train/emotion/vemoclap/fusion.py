"""The paper's fusion head: every modality asks every other one, and one linear layer decides.

    features of m (B, T_m, D_m) -> standardised -> linear -> (B, T_m, 512)
    every ordered pair (m, n), m != n: attention of m's steps to n's steps, 4 heads -> mean over m's steps (B, 512)
    all pairs side by side (B, M (M - 1) 512) -> linear -> logits (B, 6)

Source: arXiv:2410.21303; the head of the earlier trailer classifier (arXiv:2410.19760) is its ancestor. What neither
says in words is a choice, see docs/vemoclap.md: queries, keys and values are linear maps with a bias, and attention has
no map after it, because that comes nearest to the size that the authors' configuration implies (10.1 M).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Literal

import torch
from torch import Tensor, nn

from emsync_train.emotion.vemoclap.contract import FeatureSpec

BLOCKED = -1e9
"""Added to the score of a step that is not there: its weight underflows to exactly 0."""

Missing = Literal["mask", "zeros"]


@dataclass(frozen=True)
class FusionConfig:
    """Sizes of the head.

    `missing`: "zeros" is the paper's way, a sequence of one zero vector that is attended to like any other;
    "mask" leaves a missing modality out (its pairs give zeros), so one that is alone says nothing.
    """

    specs: tuple[FeatureSpec, ...]
    classes: int = 6
    width: int = 512
    heads: int = 4
    missing: Missing = "zeros"
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if len(self.specs) < 2 or len({spec.name for spec in self.specs}) < len(self.specs):
            raise ValueError(f"two or more modalities of different names expected, got {self.specs}")
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of {self.heads} heads")

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Who asks whom: every ordered pair of modalities, as numbers."""
        return tuple(permutations(range(len(self.specs)), 2))


class CrossAttention(nn.Module):
    """Steps of one modality ask the steps of another."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))

    def forward(self, asking: Tensor, asked: Tensor, is_there: Tensor) -> Tensor:
        """What each asking step learns, shape (B, T, width).

        Args:
            asking: shape (B, T, width).
            asked: shape (B, S, width).
            is_there: shape (B, S), 1 for a step that exists and 0 for padding.
        """
        query, key, value = (
            layer(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, heads, T or S, width / heads)
            for layer, x in ((self.query, asking), (self.key, asked), (self.value, asked))
        )
        scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])  # (B, heads, T, S)
        scores = scores + (1 - is_there[:, None, None, :]) * BLOCKED
        return torch.as_tensor((scores.softmax(dim=-1) @ value).transpose(1, 2).flatten(2))


class FusionHead(nn.Module):
    """Emotion logits from the features of several modalities."""

    def __init__(self, config: FusionConfig) -> None:
        super().__init__()
        self.config = config
        self.projections = nn.ModuleList(nn.Linear(spec.dimension, config.width) for spec in config.specs)
        self.attentions = nn.ModuleList(CrossAttention(config.width, config.heads) for _ in config.pairs)
        self.dropout = nn.Dropout(config.dropout)
        self.decision = nn.Linear(len(config.pairs) * config.width, config.classes)
        for number, spec in enumerate(config.specs):
            self.register_buffer(f"mean_{number}", torch.zeros(spec.dimension))
            self.register_buffer(f"scale_{number}", torch.ones(spec.dimension))

    def standardise_by(self, number: int, mean: Tensor, deviation: Tensor) -> None:
        """Take mean and deviation of modality `number` from its training features, both (D,)."""
        self.get_buffer(f"mean_{number}").copy_(mean)
        self.get_buffer(f"scale_{number}").copy_(deviation)

    def forward(self, features: Sequence[Tensor], masks: Sequence[Tensor]) -> Tensor:
        """Logits, shape (B, classes).

        Args:
            features: one tensor a modality, shape (B, T_m, D_m), T_m >= 1.
            masks: one a modality, shape (B, T_m): True where there is a feature. All False: it is missing.
        """
        there = [mask.to(features[0].dtype) for mask in masks]
        is_known = [mask.amax(dim=1) for mask in there]  # (B,)
        if self.config.missing == "zeros":
            there = [_with_a_first_step(mask, known) for mask, known in zip(there, is_known, strict=True)]
            is_known = [torch.ones_like(known) for known in is_known]
        steps = [
            self.dropout(self.projections[number](self._standardised(number, x, mask)))
            for number, (x, mask) in enumerate(zip(features, masks, strict=True))
        ]
        answers = []
        for attention, (asking, asked) in zip(self.attentions, self.config.pairs, strict=True):
            answer = attention(steps[asking], steps[asked], there[asked])
            mean = _mean_over_steps(answer, there[asking])
            answers.append(mean * (is_known[asking] * is_known[asked])[:, None])
        return torch.as_tensor(self.decision(self.dropout(torch.cat(answers, dim=1))))

    def _standardised(self, number: int, features: Tensor, mask: Tensor) -> Tensor:
        """Zero mean, unit deviation; zero where there is nothing."""
        centred = features - self.get_buffer(f"mean_{number}")
        return centred / self.get_buffer(f"scale_{number}") * mask.to(features.dtype)[..., None]


def parameter_count(config: FusionConfig) -> int:
    """Trainable numbers of a head."""
    return sum(parameter.numel() for parameter in FusionHead(config).parameters())


def _mean_over_steps(x: Tensor, is_there: Tensor) -> Tensor:
    """Mean of (B, T, width) over the steps that exist; 0 if there is none."""
    return (x * is_there[..., None]).sum(dim=1) / is_there.sum(dim=1).clamp(min=1)[:, None]


def _with_a_first_step(is_there: Tensor, is_known: Tensor) -> Tensor:
    """The mask with its first step switched on for films that have none."""
    first = torch.maximum(is_there[:, :1], 1 - is_known[:, None])
    return torch.cat([first, is_there[:, 1:]], dim=1)
