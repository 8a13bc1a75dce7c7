"""A training run as a TOML file says it, and the record of it in the run folder."""

from __future__ import annotations

import json
import tomllib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from emsync.errors import InputError
from emsync_train.dataset import Shards, WindowOptions
from emsync_train.model_config import ModelConfig
from emsync_train.start import Start

Precision: TypeAlias = Literal["32-true", "bf16-mixed", "16-mixed"]
_COUNTS = ("total_tokens", "batch_size", "report_every_steps", "validate_every_steps", "validation_batches")


@dataclass(frozen=True)
class TrainingConfig:
    """How long and how fast the network learns. Counts are over all processes together."""

    total_tokens: int
    batch_size: int = 8
    learning_rate: float = 2e-3
    warmup_steps: int = 100
    final_learning_rate_share: float = 0.05
    weight_decay: float = 0.1
    gradient_clip: float = 1.0
    chord_loss_weight: float = 1.0
    ema_decay: float = 0.0
    seed: int = 1
    precision: Precision = "32-true"
    compile: bool = False
    report_every_steps: int = 50
    validate_every_steps: int = 500
    validation_batches: int = 12

    def __post_init__(self) -> None:
        if self.precision not in get_args(Precision):
            raise ValueError(f"precision {self.precision!r} is none of {', '.join(get_args(Precision))}")
        for name in _COUNTS:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 <= self.ema_decay < 1:
            raise ValueError(f"ema_decay must lie in [0, 1), got {self.ema_decay}")


@dataclass(frozen=True)
class RunConfig:
    """A whole TOML file: [model], [training], [windows] and the sampling weight of each source."""

    vocabulary: str
    model: ModelConfig
    training: TrainingConfig
    windows: WindowOptions
    source_weights: dict[str, float] = field(default_factory=dict)
    start: Start | None = None


def read_config(path: Path, shards: Shards) -> RunConfig:
    """The configuration for these shards. Raises InputError naming the file and the wrong key or value."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        unknown = set(table) - {"vocabulary", "model", "training", "windows", "source_weights"}
        if unknown:
            raise TypeError(f"unknown table [{', '.join(sorted(unknown))}]")
        wanted = table.get("vocabulary", shards.vocabulary.name)
        if wanted != shards.vocabulary.name:
            raise ValueError(
                f"vocabulary {wanted!r} is asked for, the shards have {shards.vocabulary.name!r}"
            )
        model = ModelConfig(vocabulary_size=shards.vocabulary.size, **table["model"])
        return RunConfig(
            vocabulary=shards.vocabulary.name,
            model=model,
            training=TrainingConfig(**table["training"]),
            windows=WindowOptions(
                length=model.context, horizon_s=model.horizon_s, **table.get("windows", {})
            ),
            source_weights=table.get("source_weights", {}),
        )
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: {error}; see configs/small.toml for the keys") from error


def write_config(config: RunConfig, shards: Shards, run: Path) -> None:
    """`config.json` of the run; a run folder of another configuration is refused (InputError)."""
    record = {**asdict(config), "tokens_sha256": shards.tokens_sha256}
    path = run / "config.json"
    if path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))
        for key in ("vocabulary", "model", "tokens_sha256"):
            if before[key] != json.loads(json.dumps(record[key])):
                raise InputError(f"{path}: {key} differs from this run's; choose another --run folder")
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
