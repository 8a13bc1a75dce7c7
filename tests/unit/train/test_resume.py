"""Training goes on exactly where it stopped, averages and drawing processes included."""

from __future__ import annotations

from pathlib import Path

import pytest

NEEDED = "training needs torch, lightning-fabric and tensorboard: pip install emsync[train]"
torch = pytest.importorskip("torch", reason=NEEDED)
pytest.importorskip("lightning_fabric", reason=NEEDED)
pytest.importorskip("tensorboard", reason=NEEDED)
pytest.importorskip("safetensors", reason=NEEDED)

from made_up_runs import config_text, fit, log_of, same_weights, write_toml  # noqa: E402
from made_up_shards import made_up_shards  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

from emsync.music.vocabulary import PAPER  # noqa: E402
from emsync_train.dataset import Shards  # noqa: E402
from emsync_train.model import Composer  # noqa: E402
from emsync_train.train_config import read_config  # noqa: E402


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize(
    ("dropout", "ema_decay"), [(0.0, 0.0), (0.2, 0.9)], ids=["plain", "dropout and averages"]
)
def test_a_run_resumed_in_the_middle_ends_with_the_very_same_weights(
    shards: Path, tmp_path: Path, dropout: float, ema_decay: float, workers: int
) -> None:
    extra = f"ema_decay = {ema_decay}"
    toml = write_toml(tmp_path, config_text(steps=8, dropout=dropout, extra=extra))
    fit(shards, tmp_path / "whole", toml)
    fit(shards, tmp_path / "halves", toml, stop_at=4, workers=workers)
    assert not same_weights(tmp_path / "halves", tmp_path / "whole")
    assert fit(shards, tmp_path / "halves", toml, workers=workers).step == 8
    assert same_weights(tmp_path / "halves", tmp_path / "whole")
    states = [
        torch.load(tmp_path / name / "checkpoint.pt", weights_only=False) for name in ("whole", "halves")
    ]
    assert len(states[0]["averages"]) == (len(states[0]["network"]) if ema_decay else 0)
    for one, other in zip(*(state["averages"] for state in states), strict=True):
        assert torch.equal(one, other)
    for name, value in states[0]["network"].items():
        assert torch.equal(value, states[1]["network"][name])


def test_a_number_of_steps_counts_from_the_beginning_of_the_run(shards: Path, tmp_path: Path) -> None:
    toml = write_toml(tmp_path, config_text(steps=8))
    assert fit(shards, tmp_path / "parts", toml, steps=3).step == 3
    assert fit(shards, tmp_path / "parts", toml, steps=3).step == 3
    assert fit(shards, tmp_path / "parts", toml, steps=5).step == 5
    assert fit(shards, tmp_path / "parts", toml, steps=99).step == 8
    fit(shards, tmp_path / "whole", toml)
    assert same_weights(tmp_path / "parts", tmp_path / "whole")


def test_averages_are_what_is_exported_and_the_trained_weights_are_kept_for_training(
    shards: Path, tmp_path: Path
) -> None:
    plain = write_toml(tmp_path, config_text(steps=3))
    opened = Shards(shards)
    torch.manual_seed(1)
    averages = Composer(read_config(plain, opened).model).state_dict()
    for step in (1, 2, 3):
        fit(shards, tmp_path / "plain", plain, steps=step)
        for name, value in load_file(tmp_path / "plain" / "weights.safetensors").items():
            averages[name] = 0.75 * averages[name] + 0.25 * value
    fit(shards, tmp_path / "averaged", write_toml(tmp_path, config_text(steps=3, extra="ema_decay = 0.75")))
    exported = load_file(tmp_path / "averaged" / "weights.safetensors")
    for name, value in averages.items():
        torch.testing.assert_close(exported[name], value)
    trained = torch.load(tmp_path / "averaged" / "checkpoint.pt", weights_only=False)["network"]
    for name, value in load_file(tmp_path / "plain" / "weights.safetensors").items():
        assert torch.equal(trained[name], value)
    figures = log_of(tmp_path / "averaged")[-1]
    assert figures["validation_nats_per_token"] == log_of(tmp_path / "plain")[-1]["validation_nats_per_token"]
    assert figures["validation_nats_per_token_of_averages"] != figures["validation_nats_per_token"]


@pytest.mark.parametrize(("before", "after"), [(0.0, 0.5), (0.5, 0.0)], ids=["on", "off"])
def test_averages_may_be_turned_on_and_off_between_two_parts_of_a_run(
    shards: Path, tmp_path: Path, before: float, after: float
) -> None:
    first = write_toml(tmp_path, config_text(steps=6, extra=f"ema_decay = {before}"))
    fit(shards, tmp_path / "run", first, steps=3)
    trained = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=False)["network"]
    run = write_toml(tmp_path, config_text(steps=6, extra=f"ema_decay = {after}"))
    trainer = fit(shards, tmp_path / "run", run, steps=3)
    exported = load_file(tmp_path / "run" / "weights.safetensors")
    assert all(torch.equal(value, trained[name]) for name, value in exported.items())
    assert len(trainer.averages) == (len(trained) if after else 0)
    assert fit(shards, tmp_path / "run", run).step == 6


def test_worker_processes_draw_the_very_same_windows(shards: Path, tmp_path: Path) -> None:
    toml = write_toml(tmp_path, config_text(steps=4))
    fit(shards, tmp_path / "alone", toml)
    fit(shards, tmp_path / "helped", toml, workers=2)
    assert same_weights(tmp_path / "alone", tmp_path / "helped")


def test_a_finished_run_started_again_changes_no_weights(shards: Path, tmp_path: Path) -> None:
    toml = write_toml(tmp_path, config_text(steps=3))
    fit(shards, tmp_path / "run", toml)
    before = (tmp_path / "run" / "weights.safetensors").read_bytes()
    fit(shards, tmp_path / "run", toml)
    assert (tmp_path / "run" / "weights.safetensors").read_bytes() == before


def test_the_papers_kind_of_network_learns_and_resumes(tmp_path: Path) -> None:
    shards = made_up_shards(tmp_path / "paper", vocabulary=PAPER)
    kind = """
positions = "learned"
conditioning = "prefix"
norm = "layer"
activation = "relu"
tied_output = false
"""
    toml = write_toml(tmp_path, config_text(steps=20, dropout=0.1).replace("[training]", kind + "[training]"))
    fit(shards, tmp_path / "whole", toml)
    reports = [row["train_nats_per_token"] for row in log_of(tmp_path / "whole")[:-1]]
    assert reports[-1] < reports[0] - 1.0
    fit(shards, tmp_path / "halves", toml, stop_at=7)
    fit(shards, tmp_path / "halves", toml)
    assert same_weights(tmp_path / "halves", tmp_path / "whole")
