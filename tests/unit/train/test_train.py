"""Training on a made-up shard: it learns, resumes exactly, and says what is wrong with its input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

NEEDED = "training needs torch, lightning-fabric and tensorboard: pip install emsync[train]"
torch = pytest.importorskip("torch", reason=NEEDED)
pytest.importorskip("lightning_fabric", reason=NEEDED)
pytest.importorskip("tensorboard", reason=NEEDED)
pytest.importorskip("safetensors", reason=NEEDED)

from lightning_fabric import Fabric  # noqa: E402
from made_up_shards import made_up_shards  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

from emsync.errors import InputError  # noqa: E402
from emsync.music.vocabulary import EMSYNC, PAPER  # noqa: E402
from emsync_train import train  # noqa: E402
from emsync_train.dataset import Shards  # noqa: E402
from emsync_train.model import Composer, ModelConfig  # noqa: E402
from emsync_train.train import (  # noqa: E402
    Start,
    Trainer,
    TrainingConfig,
    learning_rate_at,
    read_config,
    token_losses,
    write_config,
)

SMALL_TOML = Path(__file__).parents[3] / "configs" / "small.toml"
CONTEXT, BATCH = 32, 4


def config_text(*, steps: int = 30, extra: str = "", dropout: float = 0.0) -> str:
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


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small are slower on two threads than on one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_up_shards(tmp_path_factory.mktemp("shards"))


def write_toml(folder: Path, text: str) -> Path:
    path = folder / "tiny.toml"
    path.write_text(text, encoding="utf-8")
    return path


def fit(shards: Path, run: Path, toml: Path, *, stop_at: int | None = None) -> Trainer:
    """Train in this process, up to a step if one is given; what the command line does for one process."""
    opened = Shards(shards)
    config = read_config(toml, opened)
    run.mkdir(exist_ok=True)
    write_config(config, opened, run)
    trainer = Trainer(Fabric(accelerator="cpu", devices=1), config, opened, run)
    if stop_at is not None:
        trainer._out_of_time = lambda began, minutes: trainer.step >= stop_at  # type: ignore[method-assign]
    trainer.fit(None)
    return trainer


def log_of(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def finished(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of 30 steps."""
    folder = tmp_path_factory.mktemp("finished")
    fit(shards, folder / "run", write_toml(folder, config_text()))
    return folder / "run"


def test_the_loss_falls_over_30_steps(finished: Path) -> None:
    reports = [row["train_nats_per_token"] for row in log_of(finished) if "train_nats_per_token" in row]
    assert len(reports) == 6
    assert reports[-1] < reports[0] - 1.0
    held_out = log_of(finished)[-1]["validation_nats_per_token"]
    assert held_out < reports[0] - 1.0


def test_a_run_folder_holds_what_export_and_people_need(finished: Path) -> None:
    config = json.loads((finished / "config.json").read_text(encoding="utf-8"))
    assert config["vocabulary"] == EMSYNC.name
    assert config["model"]["vocabulary_size"] == EMSYNC.size
    assert len(config["tokens_sha256"]) == 64
    weights = load_file(finished / "weights.safetensors")
    assert weights["embedding.weight"].shape == (EMSYNC.size, 16)
    assert all(torch.isfinite(value).all() for value in weights.values())
    last = log_of(finished)[-1]
    assert (last["step"], last["tokens"]) == (30, 30 * BATCH * CONTEXT)
    assert [path for path in (finished / "tensorboard").iterdir() if path.stat().st_size > 200]
    assert not list(finished.glob("*.new"))


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_a_run_resumed_in_the_middle_ends_with_the_very_same_weights(
    shards: Path, tmp_path: Path, dropout: float
) -> None:
    toml = write_toml(tmp_path, config_text(steps=20, dropout=dropout))
    fit(shards, tmp_path / "whole", toml)
    fit(shards, tmp_path / "halves", toml, stop_at=10)
    halfway = (tmp_path / "halves" / "weights.safetensors").read_bytes()
    resumed = fit(shards, tmp_path / "halves", toml)
    assert resumed.step == 20
    whole = load_file(tmp_path / "whole" / "weights.safetensors")
    halves = load_file(tmp_path / "halves" / "weights.safetensors")
    assert all(torch.equal(whole[name], halves[name]) for name in whole)
    assert (tmp_path / "halves" / "weights.safetensors").read_bytes() != halfway


def test_a_finished_run_started_again_changes_no_weights(shards: Path, tmp_path: Path) -> None:
    toml = write_toml(tmp_path, config_text(steps=3))
    fit(shards, tmp_path / "run", toml)
    before = (tmp_path / "run" / "weights.safetensors").read_bytes()
    fit(shards, tmp_path / "run", toml)
    assert (tmp_path / "run" / "weights.safetensors").read_bytes() == before


def test_another_seed_trains_other_weights(shards: Path, tmp_path: Path) -> None:
    fit(shards, tmp_path / "one", write_toml(tmp_path, config_text(steps=3)))
    fit(shards, tmp_path / "two", write_toml(tmp_path, config_text(steps=3, extra="seed = 2")))
    one, two = (load_file(tmp_path / name / "weights.safetensors") for name in ("one", "two"))
    assert not torch.equal(one["embedding.weight"], two["embedding.weight"])


def test_a_time_budget_of_nothing_stops_at_once_and_leaves_a_checkpoint(shards: Path, tmp_path: Path) -> None:
    opened = Shards(shards)
    config = read_config(write_toml(tmp_path, config_text()), opened)
    trainer = Trainer(Fabric(accelerator="cpu", devices=1), config, opened, tmp_path)
    trainer.fit(minutes=0.0)
    assert trainer.step == 0
    assert (tmp_path / "checkpoint.pt").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (config_text(extra="leaning_rate = 1"), "unexpected keyword argument 'leaning_rate'"),
        (config_text().replace("layers", "lairs"), "unexpected keyword argument 'lairs'"),
        (config_text(extra="[windows]\nlegth = 3"), "unexpected keyword argument 'legth'"),
        (config_text(extra="[curtains]"), r"unknown table \[curtains\]"),
        (config_text(extra='precision = "17-true"'), "precision '17-true' is none of 32-true"),
        (config_text().replace("heads = 2", "heads = 0"), "every size of the model must be at least 1"),
        (config_text().replace("[model]", "[modle]"), r"unknown table \[modle\]"),
        ("[training]\ntotal_tokens = 5", "'model'"),
        ("[model", "Expected"),
    ],
)
def test_a_wrong_configuration_is_refused_naming_the_file_and_the_key(
    shards: Path, tmp_path: Path, text: str, message: str
) -> None:
    path = write_toml(tmp_path, text)
    with pytest.raises(InputError, match=f"^{path}: .*{message}.*see configs/small.toml"):
        read_config(path, Shards(shards))


def test_a_missing_configuration_is_refused_by_name(shards: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.toml: .*No such file"):
        read_config(tmp_path / "none.toml", Shards(shards))


def test_the_configuration_in_the_repository_is_read(shards: Path) -> None:
    config = read_config(SMALL_TOML, Shards(shards))
    assert config.windows.length == config.model.context
    assert config.source_weights["freedoom"] > 1


def test_a_run_folder_of_another_vocabulary_is_refused(finished: Path, tmp_path: Path) -> None:
    paper = Shards(made_up_shards(tmp_path / "paper", vocabulary=PAPER))
    before = (finished / "config.json").read_bytes()
    with pytest.raises(InputError, match=r"config\.json: vocabulary differs .* choose another --run folder"):
        write_config(read_config(write_toml(tmp_path, config_text()), paper), paper, finished)
    assert (finished / "config.json").read_bytes() == before


def test_a_run_folder_of_another_model_is_refused(shards: Path, finished: Path, tmp_path: Path) -> None:
    opened = Shards(shards)
    wider = read_config(write_toml(tmp_path, config_text().replace("width = 16", "width = 20")), opened)
    with pytest.raises(InputError, match=r"config\.json: model differs"):
        write_config(wider, opened, finished)


def test_the_learning_rate_rises_evenly_then_falls_as_a_cosine() -> None:
    config = TrainingConfig(total_tokens=1, learning_rate=1.0, warmup_steps=4, final_learning_rate_share=0.1)
    rates = [learning_rate_at(step, config, total_steps=104) for step in (0, 1, 3, 4, 54, 104, 200)]
    assert rates == pytest.approx([0.25, 0.5, 1.0, 1.0, 0.55, 0.1, 0.1])


def test_losses_are_nats_of_the_targets_and_zero_at_pad() -> None:
    logits = torch.zeros(1, 3, 8)
    logits[0, 1, 5] = 50.0
    losses = token_losses(logits, torch.tensor([[5, 5, 0]]), pad=0)
    assert losses.tolist()[0] == pytest.approx([2.0794415, 0.0, 0.0], abs=1e-5)


def run_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The module as a command on one thread, so that two processes do not fight for the cores."""
    return subprocess.run(
        [sys.executable, "-m", "emsync_train.train", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
    )


def test_two_processes_share_a_batch_and_leave_one_run(shards: Path, tmp_path: Path) -> None:
    toml, run = write_toml(tmp_path, config_text(steps=6)), tmp_path / "run"
    arguments = ("--config", str(toml), "--shards", str(shards), "--run", str(run))
    result = run_command(*arguments, "--processes", "2", "--threads", "1")
    assert result.returncode == 0, result.stderr
    rows = log_of(run)
    assert [row["step"] for row in rows] == [5, 6]
    assert rows[-1]["tokens"] == 6 * BATCH * CONTEXT
    assert load_file(run / "weights.safetensors")["embedding.weight"].shape == (EMSYNC.size, 16)


def test_a_batch_that_processes_cannot_share_is_refused_before_anything_is_written(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toml, run = write_toml(tmp_path, config_text()), tmp_path / "run"
    arguments = [
        "train",
        "--config",
        str(toml),
        "--shards",
        str(shards),
        "--run",
        str(run),
        "--processes",
        "3",
    ]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit, match=r"^error: .*batch_size 4 cannot be shared evenly by --processes 3"):
        train.main()
    assert not run.exists()


def test_a_folder_without_shards_ends_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml = write_toml(tmp_path, config_text())
    arguments = ["train", "--config", str(toml), "--shards", str(tmp_path), "--run", str(tmp_path / "run")]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit, match=f"^error: {tmp_path}: not a complete shard folder"):
        train.main()


def test_a_run_can_start_from_earlier_weights_and_leave_some_out(finished: Path) -> None:
    settings = json.loads((finished / "config.json").read_text("utf-8"))
    torch.manual_seed(99)
    network = Composer(ModelConfig(**settings["model"]))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    Start(str(finished / "weights.safetensors"), "condition_encoder.").load_into(network)
    trained = load_file(finished / "weights.safetensors")
    for name, value in network.state_dict().items():
        source = before if name.startswith("condition_encoder.") else trained
        assert torch.equal(value, source[name]), name


def test_weights_that_are_not_there_cannot_be_started_from(tmp_path: Path) -> None:
    network = Composer(ModelConfig(vocabulary_size=10, layers=1, width=8, heads=1, feed_forward=8, context=4))
    with pytest.raises(InputError, match=r"lost\.safetensors"):
        Start(str(tmp_path / "lost.safetensors")).load_into(network)


def test_every_condition_is_heard_by_a_fresh_network() -> None:
    torch.manual_seed(0)
    network = Composer(
        ModelConfig(vocabulary_size=10, layers=1, width=32, heads=1, feed_forward=8, context=4)
    )
    present = torch.ones(1, 2, 3)
    for condition, values in enumerate(((-0.8, 0.8), (-0.8, 0.8), (1.0, 7.0))):
        conditions = torch.zeros(1, 2, 3)
        conditions[0, :, condition] = torch.tensor(values)
        low, high = network.condition_encoder(conditions, present)[0]
        assert (low - high).norm() > 0.1
