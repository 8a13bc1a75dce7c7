"""Networks of the published architectures with random weights, as small as they can be, written to folders."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ["HF_HUB_OFFLINE"] = "1"  # before transformers is imported: no test may reach the network
NEEDED = "the paper's extractors need transformers: pip install emsync[vemoclap]"
torch = pytest.importorskip("torch", reason=NEEDED)
transformers = pytest.importorskip("transformers", reason=NEEDED)

from emsync_train.emotion.vemoclap.contract import Film  # noqa: E402

TRANSFORMER: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
}
TEXT_TOKENS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
SPEECH_TOKENS = ["<|endoftext|>", "<|startoftranscript|>", "<|notimestamps|>"]


def save_clip(folder: Path) -> Path:
    vision = {**TRANSFORMER, "image_size": 32, "patch_size": 16, "projection_dim": 12}
    text = {**TRANSFORMER, "vocab_size": 50, "projection_dim": 12}
    config = transformers.CLIPConfig(vision_config=vision, text_config=text, projection_dim=12)
    return _saved(transformers.CLIPModel, config, folder)


def save_expression(folder: Path, labels: int = 7) -> Path:
    config = transformers.ViTConfig(**TRANSFORMER, image_size=32, patch_size=16, num_labels=labels)
    return _saved(transformers.ViTForImageClassification, config, folder)


def save_sentiment(folder: Path) -> Path:
    config = transformers.RobertaConfig(
        **TRANSFORMER,
        vocab_size=_save_tokenizer(folder, TEXT_TOKENS),
        max_position_embeddings=34,
        num_labels=3,
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=2,
    )
    return _saved(transformers.RobertaForSequenceClassification, config, folder)


def save_whisper(folder: Path) -> Path:
    config = transformers.WhisperConfig(
        vocab_size=_save_tokenizer(folder, SPEECH_TOKENS),
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        max_target_positions=32,
        decoder_start_token_id=1,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=0,
        suppress_tokens=None,
        begin_suppress_tokens=None,
    )
    transformers.WhisperFeatureExtractor().save_pretrained(folder)
    return _saved(transformers.WhisperForConditionalGeneration, config, folder)


def film(*, frames: int = 3, seconds: float = 4.0, seed: int = 0) -> Film:
    """Noise to look at and to listen to."""
    generator = np.random.default_rng(seed)
    rgb = generator.integers(0, 256, (frames, 40, 60, 3), dtype=np.uint8)
    return Film(rgb, (0.1 * generator.normal(size=round(seconds * 16_000))).astype(np.float32))


def _saved(network: Any, config: Any, folder: Path) -> Path:
    torch.manual_seed(0)
    made = network(config)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, 0.0, 0.3)
    made.save_pretrained(folder)
    return folder


def _save_tokenizer(folder: Path, special_tokens: list[str]) -> int:
    tokenizers = pytest.importorskip("tokenizers", reason=NEEDED)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = tokenizers.ByteLevelBPETokenizer()
    text = ["the sea is calm", "what a joy, what a fear"]
    tokenizer.train_from_iterator(text, vocab_size=300, special_tokens=special_tokens, show_progress=False)
    tokenizer.save_model(str(folder))
    return int(tokenizer.get_vocab_size())
