"""BEATs: a transformer over patches of a spectrogram, written so that the published checkpoints load by name.

    log mel (B, T, 128) -> patches of 16 x 16, time first -> (B, T/16 * 8, 512) -> norm -> linear -> (B, N, 768)
    -> plus a grouped convolution over neighbours -> norm -> 12 layers -> (B, N, 768) [-> linear -> 527 classes]

    a layer: x = norm(a x + attention(x)); x = norm(a x + feed_forward(x)), a = (2 layers) ** (1/4) (deep norm)
    attention: softmax(q k / sqrt(d) + gate(q) * bias(distance)), the bias shared by all layers

Source: Chen et al. 2022 (arXiv:2212.09058); the gated relative position bias is that of WavLM (arXiv:2110.13900),
section 3; deep norm is arXiv:2203.00555. Names and sizes are those of the published state dicts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from emsync_train.emotion.vemoclap.fbank import log_mel

MEL_BANDS = 128
FULL_SCALE = 2.0**15
FBANK_MEAN, FBANK_DEVIATION = 15.41663, 6.55582
"""Of AudioSet, as published; values are divided by twice the deviation."""

GATES = 8
"""Outputs of the gate's linear map: two gates, each the sum of four."""


@dataclass(frozen=True)
class BeatsConfig:
    """Sizes, named as in the `cfg` of a published checkpoint; the defaults are those of the base model."""

    input_patch_size: int = 16
    embed_dim: int = 512
    encoder_layers: int = 12
    encoder_embed_dim: int = 768
    encoder_ffn_embed_dim: int = 3072
    encoder_attention_heads: int = 12
    conv_pos: int = 128
    conv_pos_groups: int = 16
    num_buckets: int = 320
    max_distance: int = 800
    predictor_class: int = 0
    """Classes of a fine-tuned checkpoint (527 for AudioSet), 0 without."""


class Beats(nn.Module):
    """The network; `Beats(config).load_state_dict(checkpoint["model"])` takes a published one."""

    def __init__(self, config: BeatsConfig) -> None:
        super().__init__()
        self.config = config
        size = config.input_patch_size
        self.patch_embedding = nn.Conv2d(1, config.embed_dim, size, stride=size, bias=False)
        self.layer_norm = nn.LayerNorm(config.embed_dim)
        if config.embed_dim != config.encoder_embed_dim:
            self.post_extract_proj: nn.Module = nn.Linear(config.embed_dim, config.encoder_embed_dim)
        else:
            self.post_extract_proj = nn.Identity()
        self.encoder = Encoder(config)
        self.predictor = (
            nn.Linear(config.encoder_embed_dim, config.predictor_class) if config.predictor_class else None
        )

    def forward(self, samples: Tensor) -> Tensor:
        """What the last layer says of every patch, shape (B, N, 768).

        Args:
            samples: shape (B, S), 16 kHz, full scale 1, at least 16 frames (0.175 s).
        """
        mel = (log_mel(samples * FULL_SCALE, bands=MEL_BANDS) - FBANK_MEAN) / (2 * FBANK_DEVIATION)
        patches = self.patch_embedding(mel[:, None])  # (B, 512, T/16, 8)
        steps = self.layer_norm(patches.flatten(2).transpose(1, 2))  # time first, then frequency
        return torch.as_tensor(self.encoder(self.post_extract_proj(steps)))

    def embedding(self, samples: Tensor) -> Tensor:
        """Mean over patches, shape (B, 768)."""
        return torch.as_tensor(self(samples).mean(dim=1))

    def class_probabilities(self, samples: Tensor) -> Tensor:
        """How likely each sound is heard, shape (B, classes): the mean logit over patches, squashed.

        Raises: ValueError if the checkpoint was not fine-tuned.
        """
        if self.predictor is None:
            raise ValueError("this checkpoint names no sounds; take a fine-tuned one or its embedding")
        return torch.as_tensor(self.predictor(self(samples)).mean(dim=1).sigmoid())


class Encoder(nn.Module):
    """The transformer and the convolution that tells it who is whose neighbour."""

    def __init__(self, config: BeatsConfig) -> None:
        super().__init__()
        width, self.config = config.encoder_embed_dim, config
        self.pos_conv = nn.ModuleList([NeighbourConvolution(width, config.conv_pos, config.conv_pos_groups)])
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.encoder_layers))
        self.layer_norm = nn.LayerNorm(width)
        shared = nn.Embedding(config.num_buckets, config.encoder_attention_heads)
        for layer in self.layers:
            layer.get_submodule("self_attn").add_module("relative_attention_bias", shared)

    def forward(self, steps: Tensor) -> Tensor:
        """Shape (B, N, width) in and out."""
        bias = self._distance_bias(torch.arange(steps.shape[1], device=steps.device))
        steps = self.layer_norm(steps + self.pos_conv[0](steps))
        for layer in self.layers:
            steps = layer(steps, bias)
        return steps

    def _distance_bias(self, places: Tensor) -> Tensor:
        """Added to the score of every pair of N steps at their places (N,), shape (heads, N, N)."""
        buckets = distance_buckets(places[None, :] - places[:, None], self.config)
        table = self.layers[0].get_submodule("self_attn.relative_attention_bias")
        return torch.as_tensor(table(buckets)).permute(2, 0, 1)


class NeighbourConvolution(nn.Module):
    """A wide grouped convolution over steps; its weight is a direction and a length for each of its taps."""

    def __init__(self, width: int, taps: int, groups: int) -> None:
        super().__init__()
        self.groups, self.taps = groups, taps
        self.bias = nn.Parameter(torch.zeros(width))
        self.weight_g = nn.Parameter(torch.ones(1, 1, taps))
        deviation = math.sqrt(4 / (taps * width))
        self.weight_v = nn.Parameter(torch.randn(width, width // groups, taps) * deviation)

    def forward(self, steps: Tensor) -> Tensor:
        """Shape (B, N, width) in and out."""
        length = self.weight_v.norm(dim=(0, 1), keepdim=True)
        weight = self.weight_v * (self.weight_g / length)
        x = functional.conv1d(
            steps.transpose(1, 2), weight, self.bias, padding=self.taps // 2, groups=self.groups
        )
        return functional.gelu(x[..., : steps.shape[1]]).transpose(1, 2)  # an even filter gives one step more


class Layer(nn.Module):
    """Attention and feed-forward, each added to `a` times its input and normed."""

    def __init__(self, config: BeatsConfig) -> None:
        super().__init__()
        width, hidden = config.encoder_embed_dim, config.encoder_ffn_embed_dim
        self.input_gain = (2 * config.encoder_layers) ** 0.25
        self.self_attn = GatedAttention(width, config.encoder_attention_heads)
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.final_layer_norm = nn.LayerNorm(width)

    def forward(self, steps: Tensor, bias: Tensor) -> Tensor:
        """Shape (B, N, width) in and out; `bias` (heads, N, N)."""
        steps = self.self_attn_layer_norm(steps * self.input_gain + self.self_attn(steps, bias))
        hidden = self.fc2(functional.gelu(self.fc1(steps)))
        return torch.as_tensor(self.final_layer_norm(steps * self.input_gain + hidden))


class GatedAttention(nn.Module):
    """Attention whose distance bias is turned up and down by what each step asks for."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj, self.v_proj = (nn.Linear(width, width) for _ in range(3))
        self.out_proj = nn.Linear(width, width)
        self.grep_linear = nn.Linear(width // heads, GATES)
        self.grep_a = nn.Parameter(torch.ones(1, heads, 1, 1))

    def forward(self, steps: Tensor, bias: Tensor) -> Tensor:
        """Shape (B, N, width) in and out; `bias` (heads, N, N)."""
        query, key, value = (
            layer(steps).unflatten(2, (self.heads, -1)).transpose(1, 2)  # (B, heads, N, d)
            for layer in (self.q_proj, self.k_proj, self.v_proj)
        )
        answers = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=self._gate(query) * bias
        )
        return torch.as_tensor(self.out_proj(answers.transpose(1, 2).flatten(2)))

    def _gate(self, query: Tensor) -> Tensor:
        """How much of the bias each step takes, shape (B, heads, N, 1): update (reset w - 1) + 2."""
        gates = self.grep_linear(query).unflatten(-1, (2, GATES // 2)).sum(dim=-1).sigmoid()
        update, reset = gates[..., :1], gates[..., 1:]
        return torch.as_tensor(update * (reset * self.grep_a - 1) + 2)


def distance_buckets(distances: Tensor, config: BeatsConfig) -> Tensor:
    """Which row of the bias table a distance uses: sign apart, small ones exactly, larger ones by logarithm.

    Source: T5 (arXiv:1910.10683), section 2.1, as used by WavLM.

    >>> distance_buckets(torch.tensor([0, -3, 3, 900]), BeatsConfig()).tolist()
    [0, 3, 163, 319]
    """
    half = config.num_buckets // 2
    exact = half // 2
    size = distances.abs()
    growth = torch.log(size.clamp(min=1) / exact) / math.log(config.max_distance / exact)
    far = (exact + growth * (half - exact)).long().clamp(max=half - 1)
    return torch.where(size < exact, size, far) + half * (distances > 0).long()
