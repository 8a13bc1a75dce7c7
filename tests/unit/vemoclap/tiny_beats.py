"""A BEATs with random weights, as small as it can be, and a checkpoint of it in the published form."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="BEATs needs torch: pip install emsync[vemoclap]")

from emsync_train.emotion.vemoclap.beats import Beats, BeatsConfig  # noqa: E402

TINY = BeatsConfig(
    embed_dim=8,
    encoder_layers=2,
    encoder_embed_dim=16,
    encoder_ffn_embed_dim=16,
    encoder_attention_heads=2,
    conv_pos=4,
    conv_pos_groups=2,
)
SETTINGS = {"deep_norm": True, "gru_rel_pos": True, "layer_norm_first": False, "activation_fn": "gelu"}


def tiny_beats(classes: int = 0) -> Beats:
    torch.manual_seed(0)
    network = Beats(BeatsConfig(**{**asdict(TINY), "predictor_class": classes}))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, 0.1, 0.3)
    return network.eval()


def save_checkpoint(path: Path, classes: int = 0, **settings: Any) -> Path:
    network = tiny_beats(classes)
    sizes = {**asdict(TINY), "predictor_class": classes or 527, "finetuned_model": bool(classes)}
    torch.save({"cfg": {**sizes, **SETTINGS, **settings}, "model": network.state_dict()}, path)
    return path
