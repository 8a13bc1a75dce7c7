"""The composer network: a decoder-only transformer that hears affect, boundaries and bars at every token.

    token (B, T) -> embedding -------------------------+
    conditions (B, T, 11) -> a small network each -> + -+--> blocks (pre-norm, RoPE) -> logits (B, T, V)

Rotary positions are relative, so a key stays valid while the context window slides. Each condition may be
missing at any token; a learned null vector then takes its place, which also makes guidance possible.

The same classes build the network of arXiv:2502.10154 (`configs/paper.toml`): affect as two vectors before the
sequence, the boundary offset joined with learned positions, relative attention (Huang et al. 2018).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from emsync.music.conditions import GROUP_CONDITIONS, Condition
from emsync_train.model_config import ModelConfig

OFFSET_WAVES = 9
OFFSET_DECAYS_S = (0.03, 0.1, 0.3, 1.0)
BAR_DIVISIONS = (1, 2, 3, 4, 6, 8, 12, 16)
"""A bar is told by the time to its next half, third, quarter, ...: where notes like to begin."""
BAR_HARMONICS = (1, 2, 3, 4)
PASSED_S = 0.005
"""A division this close counts as passed: times are rounded to ticks of 0.008 s."""
# torch.compile cannot look up members of an IntEnum, so the columns are plain integers here.
VALENCE, AROUSAL, BOUNDARY, END, BAR_LENGTH, BAR_PHASE = (int(condition) for condition in list(Condition)[:6])
GROUPS = slice(int(GROUP_CONDITIONS.start), int(GROUP_CONDITIONS.stop))
PAPER_AFFECT_WIDTH = 256
PAPER_OFFSET_WIDTH = 128
ROPE_BASE = 10_000.0
SMALL_DEVIATION = 0.02
EMBEDDING_DEVIATION = 0.5
NORM_EPSILON = 1e-5


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


def norm_of(config: ModelConfig) -> nn.Module:
    """The normalisation that the configuration asks for."""
    return RmsNorm(config.width) if config.norm == "rms" else nn.LayerNorm(config.width, NORM_EPSILON)


def rope_angles(positions: Tensor, head_size: int) -> Tensor:
    """Rotation angles, shape (T, head_size / 2), for positions of shape (T,)."""
    exponent = torch.arange(0, head_size, 2, dtype=torch.float32, device=positions.device) / head_size
    return positions.float()[:, None] * ROPE_BASE**-exponent


def rotate(x: Tensor, angles: Tensor) -> Tensor:
    """Rotary position: halves of the last axis are the two coordinates; x (B, H, T, D), angles (T, D / 2)."""
    first, second = x.chunk(2, dim=-1)
    cosine, sine = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    return torch.cat((first * cosine - second * sine, second * cosine + first * sine), dim=-1)


@dataclass
class LayerCache:
    """Keys and values of the tokens so far, each (B, H, T, D); none before the first."""

    keys: Tensor | None = None
    values: Tensor | None = None

    def extend(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Append and return all of them."""
        if self.keys is not None and self.values is not None:
            keys, values = torch.cat((self.keys, keys), 2), torch.cat((self.values, values), 2)
        self.keys, self.values = keys, values
        return keys, values

    def truncate(self, length: int) -> None:
        """Keep the first `length` tokens."""
        if self.keys is not None and self.values is not None:
            self.keys, self.values = self.keys[:, :, :length], self.values[:, :, :length]


class Attention(nn.Module):
    """Causal self-attention over the window."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.query_key_value = nn.Linear(config.width, 3 * config.width, bias=False)
        self.output = nn.Linear(config.width, config.width, bias=False)
        self.dropout = config.dropout
        self.rotates = config.positions == "rope"
        if not self.rotates:  # one vector per distance, shared by the heads
            self.distances = nn.Parameter(torch.zeros(config.context + 2, config.width // config.heads))

    def forward(self, x: Tensor, angles: Tensor, cache: LayerCache | None = None) -> Tensor:
        """(B, T, W) -> (B, T, W); with a cache the tokens follow those in it."""
        batch, length, width = x.shape
        heads = self.query_key_value(x).view(batch, length, 3, self.heads, width // self.heads)
        query, key, value = heads.permute(2, 0, 3, 1, 4)  # each (B, H, T, D)
        if self.rotates:
            query, key = rotate(query, angles), rotate(key, angles)
        if cache is not None:
            key, value = cache.extend(key, value)  # (B, H, S, D), S tokens in all
        is_plain = self.rotates and length == key.shape[2]
        attended = functional.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=None if is_plain else self._bias(query, key.shape[2]),
            is_causal=is_plain,
            dropout_p=self.dropout if self.training else 0.0,
        )
        together: Tensor = self.output(attended.transpose(1, 2).reshape(batch, length, width))
        return together

    def _bias(self, query: Tensor, keys: int) -> Tensor:
        """What is added to the scores: -inf ahead and, with learned positions, query times distance vector.

        Shape (B, H, T, S) or (T, S). Source: Music Transformer (Huang et al. 2018), relative attention.
        """
        length = query.shape[2]
        places = torch.arange(keys, device=query.device)
        distance = places[keys - length :, None] - places[None, :]  # (T, S), negative ahead
        ahead = torch.zeros_like(distance, dtype=query.dtype).masked_fill(distance < 0, -math.inf)
        if self.rotates:
            return ahead
        scores = query @ self.distances[:keys].T.to(query.dtype)  # (B, H, T, S), column = distance
        near = distance.clamp(min=0).expand(*scores.shape[:2], -1, -1)
        return scores.gather(-1, near) / math.sqrt(query.shape[-1]) + ahead


class FeedForward(nn.Module):
    """Two layers with a squared ReLU between (So et al. 2021, Primer), or gated (Shazeer 2020), or plain."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.activation = config.activation
        gates = 2 if config.activation == "swiglu" else 1
        self.inner = nn.Linear(config.width, gates * config.feed_forward, bias=False)
        self.outer = nn.Linear(config.feed_forward, config.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, W) -> (B, T, W)."""
        hidden = self.inner(x)
        if self.activation == "swiglu":
            gate, hidden = hidden.chunk(2, dim=-1)
            hidden = functional.silu(gate) * hidden
        else:
            hidden = functional.relu(hidden)
            hidden = hidden.square() if self.activation == "squared_relu" else hidden
        fed: Tensor = self.outer(hidden)
        return fed


class Block(nn.Module):
    """Attention and feed-forward, each normalised before and added to the stream."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.attention_norm = norm_of(config)
        self.attention = Attention(config)
        self.feed_forward_norm = norm_of(config)
        self.feed_forward = FeedForward(config)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, angles: Tensor, cache: LayerCache | None = None) -> Tensor:
        """(B, T, W) -> (B, T, W)."""
        x = x + self.dropout(self.attention(self.attention_norm(x), angles, cache))
        x = x + self.dropout(self.feed_forward(self.feed_forward_norm(x)))
        return x


def waves(seconds: Tensor, horizon_s: float) -> Tensor:
    """Sines and cosines, shape (..., 2 * OFFSET_WAVES); the longest period is twice the horizon, 62 ms the least."""
    octaves = 2.0 ** torch.arange(OFFSET_WAVES, dtype=torch.float32, device=seconds.device)
    phases = seconds[..., None] * (math.pi / horizon_s) * octaves
    return torch.cat((phases.sin(), phases.cos()), dim=-1)


def offset_features(offset_s: Tensor, horizon_s: float) -> Tensor:
    """An offset as waves and decays, shape (..., 2 * OFFSET_WAVES + len(OFFSET_DECAYS_S)).

    The steepest decay tells 0 from one tick of 8 ms.
    """
    offset_s = offset_s.clamp(0.0, horizon_s)
    decays = torch.tensor(OFFSET_DECAYS_S, dtype=torch.float32, device=offset_s.device)
    return torch.cat((waves(offset_s, horizon_s), torch.exp(-offset_s[..., None] / decays)), dim=-1)


def bar_features(length_s: Tensor, phase: Tensor, horizon_s: float) -> Tensor:
    """A place in a bar, shape (..., 2 * OFFSET_WAVES * (1 + divisions) + 2 * harmonics).

    The length, the time to the next point of each division, and the phase, each as waves.
    """
    length_s = length_s.clamp(0.1, horizon_s)
    divisions = torch.tensor(BAR_DIVISIONS, dtype=torch.float32, device=phase.device)
    steps_s = length_s[..., None] / divisions  # (..., divisions)
    done = phase[..., None] * divisions
    ahead_s = (torch.floor(done + PASSED_S / steps_s) + 1 - done) * steps_s
    harmonics = torch.tensor(BAR_HARMONICS, dtype=torch.float32, device=phase.device)
    turns = phase[..., None] * (2 * math.pi) * harmonics
    told = waves(torch.cat((length_s[..., None], ahead_s), dim=-1), horizon_s)  # (..., 1 + divisions, waves)
    return torch.cat((told.flatten(-2), turns.sin(), turns.cos()), dim=-1)


class ConditionEncoder(nn.Module):
    """A small network per condition, summed; a learned null where a condition is missing.

    The two numbers of a bar share a network. The groups need none: a vector for each that plays, another for
    each of which it is known at all.
    """

    KNOWN_BY = (VALENCE, AROUSAL, BOUNDARY, END, BAR_PHASE)
    """The condition whose presence switches each network on."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.horizon_s = config.horizon_s
        offset = 2 * OFFSET_WAVES + len(OFFSET_DECAYS_S)
        bar = 2 * OFFSET_WAVES * (1 + len(BAR_DIVISIONS)) + 2 * len(BAR_HARMONICS)
        inputs = (1, 1, offset, offset, bar)
        self.inner = nn.ModuleList(nn.Linear(size, config.width) for size in inputs)
        self.outer = nn.ModuleList(nn.Linear(config.width, config.width) for _ in inputs)
        self.null = nn.Parameter(torch.zeros(len(inputs), config.width))
        groups = GROUPS.stop - GROUPS.start
        self.groups = nn.Linear(2 * groups, config.width, bias=False)

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
        """conditions and present (B, T, 11) -> (B, T, W). `present` is 1 where the value counts, else 0."""
        conditions, present = conditions.float(), present.float()
        value = conditions.unbind(-1)
        features = (
            value[VALENCE][..., None],
            value[AROUSAL][..., None],
            offset_features(value[BOUNDARY], self.horizon_s),
            offset_features(value[END], self.horizon_s),
            bar_features(value[BAR_LENGTH], value[BAR_PHASE], self.horizon_s),
        )
        known_groups = present[..., GROUPS]
        plays = conditions[..., GROUPS] * known_groups
        total: Tensor = self.groups(torch.cat((plays, known_groups), dim=-1))
        for index, (feature, condition) in enumerate(zip(features, self.KNOWN_BY, strict=True)):
            encoded = self.outer[index](functional.relu(self.inner[index](feature)))
            known = present[..., condition, None].to(encoded.dtype)
            total = total + known * encoded + (1 - known) * self.null[index]
        return total


class PaperConditions(nn.Module):
    """The paper's inputs: affect as two vectors before the sequence, boundary offset joined with the position.

    Source: arXiv:2502.10154 and its authors' configuration (section 1, "Where it enters", "Affect conditioning").
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        half = config.width // 2
        self.horizon_s = config.horizon_s
        self.positions = nn.Embedding(config.context + 2, config.width - half)
        self.offset = nn.Sequential(
            nn.Linear(1, PAPER_OFFSET_WIDTH), nn.ReLU(), nn.Linear(PAPER_OFFSET_WIDTH, half)
        )
        self.affect = nn.ModuleList(
            nn.Sequential(
                nn.Linear(1, PAPER_AFFECT_WIDTH), nn.ReLU(), nn.Linear(PAPER_AFFECT_WIDTH, config.width)
            )
            for _ in range(2)
        )
        self.null = nn.Parameter(torch.zeros(2, config.width))

    def prefix(self, conditions: Tensor, present: Tensor) -> Tensor:
        """Valence and arousal, each the mean over the tokens that have it -> (B, 2, W), position added."""
        vectors = []
        for axis in (VALENCE, AROUSAL):
            known = present[..., axis]
            mean = (conditions[..., axis] * known).sum(1) / known.sum(1).clamp(min=1)
            is_known = (known.sum(1) > 0).float()[:, None]
            vectors.append(is_known * self.affect[axis](mean[:, None]) + (1 - is_known) * self.null[axis])
        together = torch.stack(vectors, 1)
        nearest = torch.zeros(together.shape[:2], device=together.device)
        return together + self._places(nearest, 0)

    def tokens(self, conditions: Tensor, present: Tensor, first: int) -> Tensor:
        """Position and boundary offset of tokens from place `first` on, (B, T, W).

        The network sees horizon - offset; a missing offset is like none within the horizon.
        """
        offset_s = conditions[..., BOUNDARY].clamp(0.0, self.horizon_s)
        return self._places((self.horizon_s - offset_s) * present[..., BOUNDARY], first)

    def _places(self, nearness_s: Tensor, first: int) -> Tensor:
        places = torch.arange(first, first + nearness_s.shape[1], device=nearness_s.device)
        positions = self.positions(places).expand(len(nearness_s), -1, -1)
        return torch.cat((positions, self.offset(nearness_s[..., None])), dim=-1)


class Composer(nn.Module):
    """The whole network."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary_size, config.width)
        is_paper = config.conditioning == "prefix"
        self.condition_encoder = PaperConditions(config) if is_paper else ConditionEncoder(config)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.final_norm = norm_of(config)
        if not config.tied_output:
            self.output = nn.Linear(config.width, config.vocabulary_size, bias=False)
        self.apply(_initialise_small)
        if isinstance(self.condition_encoder, ConditionEncoder):
            self.condition_encoder.spread()
        self._initialise_blocks()

    def _initialise_blocks(self) -> None:
        """What blocks add to the stream begins small, as in GPT-2; or, by fan-in, at zero.

        By fan-in the other matrices keep the size of what they multiply, and tokens are about as loud in the stream as
        what a fresh condition encoder adds to it (0.4 to 0.6; with a deviation of 0.02 a twentieth of that).
        """
        by_fan_in = self.config.initialisation == "fan_in"
        if by_fan_in:
            nn.init.normal_(self.embedding.weight, std=EMBEDDING_DEVIATION)
        added = 0.0 if by_fan_in else SMALL_DEVIATION / math.sqrt(2 * self.config.layers)
        for name, parameter in self.blocks.named_parameters():
            if name.endswith(("attention.output.weight", "feed_forward.outer.weight")):
                nn.init.normal_(parameter, std=added)
            elif by_fan_in and parameter.ndim == 2:
                nn.init.normal_(parameter, std=parameter.shape[1] ** -0.5)

    def forward(
        self,
        tokens: Tensor,
        conditions: Tensor,
        present: Tensor,
        cache: list[LayerCache] | None = None,
        first: int = 0,
    ) -> Tensor:
        """Logits of the next token.

        Args:
            tokens: int64, shape (B, T).
            conditions: what `emsync.music.conditions` lists; float, shape (B, T, 11).
            present: 1 where the condition is given, 0 where it is missing; shape (B, T, 11).
            cache: one per layer; the tokens follow those in it and are added to it.
            first: how many tokens the cache holds.
        Returns: float, shape (B, T, V).
        """
        x = self.embedding(tokens)  # (B, T, W)
        if isinstance(self.condition_encoder, PaperConditions):
            x = x + self.condition_encoder.tokens(conditions, present, first + 2)
            if first == 0:
                x = torch.cat((self.condition_encoder.prefix(conditions, present), x), 1)  # (B, 2 + T, W)
        else:
            x = x + self.condition_encoder(conditions, present)
        places = torch.arange(first, first + x.shape[1], device=tokens.device)
        angles = rope_angles(places, self.config.width // self.config.heads)
        for index, block in enumerate(self.blocks):
            x = block(x, angles, cache[index] if cache else None)
        normed = self.final_norm(x[:, -tokens.shape[1] :])
        weight = self.embedding.weight if self.config.tied_output else self.output.weight
        return functional.linear(normed, weight)

    @property
    def parameter_count(self) -> int:
        """Trainable numbers, a shared output layer counted once."""
        return sum(parameter.numel() for parameter in self.parameters())


def _initialise_small(module: nn.Module) -> None:
    """Small weights, no biases."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=SMALL_DEVIATION)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
