"""The composer network: a decoder-only transformer that hears affect and the next boundary at every token.

    token (B, T) -> embedding -----------+
    valence, arousal, boundary offset ---+--> blocks (pre-norm attention with RoPE, squared-ReLU) -> logits (B, T, V)

Rotary positions are relative, so a key stays valid while the context window slides. Each condition may be
missing at any token; a learned null vector then takes its place, which also makes guidance possible.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

CONDITIONS = ("valence", "arousal", "boundary_offset_s")
OFFSET_WAVES = 9
OFFSET_DECAYS_S = (0.03, 0.1, 0.3, 1.0)
ROPE_BASE = 10_000.0
NORM_EPSILON = 1e-5


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of the network. `context` is the window in tokens that training sees at once."""

    vocabulary_size: int
    layers: int = 6
    width: int = 192
    heads: int = 6
    feed_forward: int = 768
    context: int = 768
    dropout: float = 0.0
    horizon_s: float = 8.0

    def __post_init__(self) -> None:
        sizes = (self.vocabulary_size, self.layers, self.width, self.heads, self.feed_forward, self.context)
        if min(sizes) < 1:
            raise ValueError(f"every size of the model must be at least 1, got {self}")
        if self.width % self.heads or (self.width // self.heads) % 2:
            raise ValueError(f"width {self.width} must split into {self.heads} heads of even size")


class RmsNorm(nn.Module):
    """Root mean square normalisation with a learned scale; shape unchanged."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the last axis in fp32, whatever the type of `x`."""
        wide = x.float()
        mean_square = wide.square().mean(-1, keepdim=True)
        return (wide * torch.rsqrt(mean_square + NORM_EPSILON) * self.scale).to(x.dtype)


def rope_angles(positions: Tensor, head_size: int) -> Tensor:
    """Rotation angles, shape (T, head_size / 2), for positions of shape (T,)."""
    exponent = torch.arange(0, head_size, 2, dtype=torch.float32, device=positions.device) / head_size
    return positions.float()[:, None] * ROPE_BASE**-exponent


def rotate(x: Tensor, angles: Tensor) -> Tensor:
    """Rotary position: halves of the last axis are the two coordinates; x (B, H, T, D), angles (T, D / 2)."""
    first, second = x.chunk(2, dim=-1)
    cosine, sine = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    return torch.cat((first * cosine - second * sine, second * cosine + first * sine), dim=-1)


class Attention(nn.Module):
    """Causal self-attention over the window."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.query_key_value = nn.Linear(config.width, 3 * config.width, bias=False)
        self.output = nn.Linear(config.width, config.width, bias=False)
        self.dropout = config.dropout

    def forward(self, x: Tensor, angles: Tensor) -> Tensor:
        """(B, T, W) -> (B, T, W)."""
        batch, length, width = x.shape
        heads = self.query_key_value(x).view(batch, length, 3, self.heads, width // self.heads)
        query, key, value = heads.permute(2, 0, 3, 1, 4)  # each (B, H, T, D)
        attended = functional.scaled_dot_product_attention(
            rotate(query, angles),
            rotate(key, angles),
            value,
            is_causal=True,
            dropout_p=self.dropout if self.training else 0.0,
        )
        together: Tensor = self.output(attended.transpose(1, 2).reshape(batch, length, width))
        return together


class FeedForward(nn.Module):
    """Two layers with a squared ReLU between (So et al. 2021, Primer)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.inner = nn.Linear(config.width, config.feed_forward, bias=False)
        self.outer = nn.Linear(config.feed_forward, config.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, W) -> (B, T, W)."""
        fed: Tensor = self.outer(functional.relu(self.inner(x)).square())
        return fed


class Block(nn.Module):
    """Attention and feed-forward, each normalised before and added to the stream."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.attention_norm = RmsNorm(config.width)
        self.attention = Attention(config)
        self.feed_forward_norm = RmsNorm(config.width)
        self.feed_forward = FeedForward(config)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, angles: Tensor) -> Tensor:
        """(B, T, W) -> (B, T, W)."""
        x = x + self.dropout(self.attention(self.attention_norm(x), angles))
        x = x + self.dropout(self.feed_forward(self.feed_forward_norm(x)))
        return x


def offset_features(offset_s: Tensor, horizon_s: float) -> Tensor:
    """Boundary offset as waves and decays, shape (..., 2 * OFFSET_WAVES + len(OFFSET_DECAYS_S)).

    The shortest wave has a period of 62 ms, the steepest decay tells 0 from one tick of 8 ms.
    """
    octaves = 2.0 ** torch.arange(OFFSET_WAVES, dtype=torch.float32, device=offset_s.device)
    phases = offset_s[..., None] * (math.pi / horizon_s) * octaves
    decays = torch.tensor(OFFSET_DECAYS_S, dtype=torch.float32, device=offset_s.device)
    return torch.cat((phases.sin(), phases.cos(), torch.exp(-offset_s[..., None] / decays)), dim=-1)


class ConditionEncoder(nn.Module):
    """A small network per condition, summed; a learned null where a condition is missing."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.horizon_s = config.horizon_s
        inputs = (1, 1, 2 * OFFSET_WAVES + len(OFFSET_DECAYS_S))
        self.inner = nn.ModuleList(nn.Linear(size, config.width) for size in inputs)
        self.outer = nn.ModuleList(nn.Linear(config.width, config.width) for _ in inputs)
        self.null = nn.Parameter(torch.zeros(len(inputs), config.width))

    def spread(self) -> None:
        """Initialise so that the first layers bend all over the range of their inputs.

        With the small weights that suit the rest of the network, a scalar input starts as good as silent, and
        weight decay then puts its ReLUs to sleep for good: valence was lost that way once.
        """
        for layer in self.inner:
            weight, bias = layer.parameters()
            nn.init.normal_(weight, std=weight.shape[1] ** -0.5)
            nn.init.uniform_(bias, -1.0, 1.0)

    def forward(self, conditions: Tensor, present: Tensor) -> Tensor:
        """conditions and present (B, T, 3) -> (B, T, W). `present` is 1 where the value counts, else 0."""
        valence, arousal, offset_s = conditions.float().unbind(-1)
        offset_s = offset_s.clamp(0.0, self.horizon_s)
        features = (valence[..., None], arousal[..., None], offset_features(offset_s, self.horizon_s))
        total = torch.zeros((), device=conditions.device)
        for index, feature in enumerate(features):
            encoded = self.outer[index](functional.relu(self.inner[index](feature)))
            known = present[..., index, None].to(encoded.dtype)
            total = total + known * encoded + (1 - known) * self.null[index]
        return total


class Composer(nn.Module):
    """The whole network; the output layer shares the embedding's weights."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary_size, config.width)
        self.condition_encoder = ConditionEncoder(config)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.final_norm = RmsNorm(config.width)
        self.apply(self._initialise)
        self.condition_encoder.spread()
        residual_deviation = 0.02 / math.sqrt(2 * config.layers)
        for name, parameter in self.blocks.named_parameters():
            if name.endswith(("attention.output.weight", "feed_forward.outer.weight")):
                nn.init.normal_(parameter, std=residual_deviation)

    @staticmethod
    def _initialise(module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)

    def forward(self, tokens: Tensor, conditions: Tensor, present: Tensor) -> Tensor:
        """Logits of the next token.

        Args:
            tokens: int64, shape (B, T).
            conditions: valence, arousal, boundary offset in seconds; float, shape (B, T, 3).
            present: 1 where the condition is given, 0 where it is missing; shape (B, T, 3).
        Returns: float, shape (B, T, V).
        """
        x = self.embedding(tokens) + self.condition_encoder(conditions, present)  # (B, T, W)
        head_size = self.config.width // self.config.heads
        angles = rope_angles(torch.arange(tokens.shape[1], device=tokens.device), head_size)
        for block in self.blocks:
            x = block(x, angles)
        return functional.linear(self.final_norm(x), self.embedding.weight)

    @property
    def parameter_count(self) -> int:
        """Trainable numbers, the shared output layer counted once."""
        return sum(parameter.numel() for parameter in self.parameters())
