"""Training runs of a tiny network on made-up shards, in this process."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from lightning_fabric import Fabric
from safetensors.torch import load_file

from emsync_train.dataset import Shards
from emsync_train.train import Trainer
from emsync_train.train_config import read_config, write_config

CONTEXT, BATCH = 32, 4


def config_text(*, steps: int = 30, extra: str = "", dropout: float = 0.0) -> str:
    """A configuration of `steps` steps; `extra` lines belong to [training]."""
    return f"""
[model]
layers = 1
width = 16
heads = 2
feed_forward = 32
context = {CONTEXT}
dropout = {dropout}

[training]
total_tokens = {steps * BATCH * CONTEXT}
batch_size = {BATCH}
learning_rate = 1e-2
warmup_steps = 3
report_every_steps = 5
validate_every_steps = 1000
validation_batches = 2
{extra}
"""


def write_toml(folder: Path, text: str) -> Path:
    """`text` as a file of the folder."""
    path = folder / "tiny.toml"
    path.write_text(text, encoding="utf-8")
    return path


def fit(
    shards: Path,
    run: Path,
    toml: Path,
    *,
    stop_at: int | None = None,
    steps: int | None = None,
    workers: int = 0,
) -> Trainer:
    """Train in this process, what the command line does for one process.

    `steps` is what the command line gives; at `stop_at` the clock is made to run out.
    """
    opened = Shards(shards)
    config = read_config(toml, opened)
    run.mkdir(exist_ok=True)
    write_config(config, opened, run)
    trainer = Trainer(Fabric(accelerator="cpu", devices=1), config, opened, run, workers)
    if stop_at is not None:
        trainer._out_of_time = lambda began, minutes: trainer.step >= stop_at  # type: ignore[method-assign]
    trainer.fit(None, steps)
    return trainer


def same_weights(one: Path, other: Path) -> bool:
    """Whether the weights of two run folders are equal to the last bit."""
    left, right = (load_file(run / "weights.safetensors") for run in (one, other))
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def log_of(run: Path) -> list[dict[str, float]]:
    """The lines of the log."""
    return [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
