"""Training on a made-up shard: it learns, obeys its options, and says what is wrong with its input."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

NEEDED = "training needs torch, lightning-fabric and tensorboard: pip install emsync[train]"
torch = pytest.importorskip("torch", reason=NEEDED)
pytest.importorskip("lightning_fabric", reason=NEEDED)
pytest.importorskip("tensorboard", reason=NEEDED)
pytest.importorskip("safetensors", reason=NEEDED)

from lightning_fabric import Fabric  # noqa: E402
from made_up_runs import BATCH, CONTEXT, config_text, fit, log_of, write_toml  # noqa: E402
from made_up_shards import made_up_shards  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

from emsync.errors import InputError  # noqa: E402
from emsync.music.vocabulary import EMSYNC, PAPER  # noqa: E402
from emsync_train import train  # noqa: E402
from emsync_train.dataset import Shards  # noqa: E402
from emsync_train.train import Trainer, learning_rate_at, token_losses  # noqa: E402
from emsync_train.train_config import TrainingConfig, read_config, write_config  # noqa: E402


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


def test_the_log_tells_speed_and_how_much_of_the_processor_training_used(finished: Path) -> None:
    for row in log_of(finished)[:-1]:
        assert row["tokens_per_s"] > 0
        assert row["model_flops_utilisation"] > 0


def test_without_tensorboard_the_log_is_all_there_is(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    fit(shards, tmp_path / "run", write_toml(tmp_path, config_text(steps=5)))
    assert len(log_of(tmp_path / "run")) == 2
    assert not (tmp_path / "run" / "tensorboard").exists()


def test_lightning_under_its_other_name_serves_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    other = types.ModuleType("lightning.fabric")
    other.Fabric = Fabric  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "lightning", types.ModuleType("lightning"))
    monkeypatch.setitem(sys.modules, "lightning.fabric", other)
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    spec = importlib.util.spec_from_file_location("train_again", train.__file__)
    assert spec is not None
    assert spec.loader is not None
    again = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "train_again", again)
    spec.loader.exec_module(again)
    assert again.Fabric is Fabric


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
        (config_text(extra="ema_decay = 1.0"), r"ema_decay must lie in \[0, 1\), got 1.0"),
        (config_text().replace("batch_size = 4", "batch_size = 0"), "batch_size must be at least 1, got 0"),
        (config_text().replace("width = 16", "width = 15"), "width 15 must split into 2 heads of even size"),
        (config_text().replace("layers = 1", "layers = 1.5"), "every size of the model must be at least 1"),
        (config_text(dropout=1.5), r"dropout must lie in \[0, 1\)"),
        (
            'vocabulary = "paper"' + config_text(),
            "vocabulary 'paper' is asked for, the shards have 'emsync-2'",
        ),
        ('vocabulary = "latin"' + config_text(), "vocabulary 'latin' is asked for"),
        (config_text(extra="[windows]\nend_dropout = 2"), r"end_dropout must lie in \[0, 1\]"),
        (config_text().replace("[model]", "[model]\nnorm = 'loud'"), "norm 'loud' is none of rms, layer"),
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


def run_main(monkeypatch: pytest.MonkeyPatch, shards: Path, run: Path, toml: Path, *more: str) -> None:
    """The command line in this process."""
    folders = ["--config", str(toml), "--shards", str(shards), "--run", str(run)]
    monkeypatch.setattr(sys, "argv", ["train", *folders, *more])
    train.main()


def test_total_tokens_of_the_command_line_set_the_schedule(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toml = write_toml(tmp_path, config_text(steps=1000))
    tokens = 10 * BATCH * CONTEXT
    run_main(monkeypatch, shards, tmp_path / "short", toml, "--total-tokens", str(tokens))
    run_main(monkeypatch, shards, tmp_path / "long", toml, "--steps", "10")
    short, long = (log_of(tmp_path / name) for name in ("short", "long"))
    assert [row["step"] for row in short] == [row["step"] for row in long] == [5, 10, 10]
    training = TrainingConfig(total_tokens=tokens, learning_rate=1e-2, warmup_steps=3)
    assert short[1]["learning_rate"] == pytest.approx(learning_rate_at(9, training, 10), abs=1e-6)
    assert long[1]["learning_rate"] == pytest.approx(learning_rate_at(9, training, 1000), abs=1e-6)
    assert short[1]["learning_rate"] < 0.2 * long[1]["learning_rate"]
    recorded = json.loads((tmp_path / "short" / "config.json").read_text(encoding="utf-8"))
    assert recorded["training"]["total_tokens"] == tokens


@pytest.mark.parametrize("name", ["--steps", "--total-tokens"])
@pytest.mark.parametrize("value", ["0", "-5"])
def test_a_count_below_1_is_refused_naming_the_option(
    shards: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    value: str,
) -> None:
    with pytest.raises(SystemExit):
        run_main(monkeypatch, shards, tmp_path / "run", write_toml(tmp_path, config_text()), name, value)
    assert f"argument {name}: {value} is not at least 1" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_run_starts_from_earlier_weights_and_learns_on(
    shards: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toml, weights = write_toml(tmp_path, config_text()), str(finished / "weights.safetensors")
    run_main(monkeypatch, shards, tmp_path / "run", toml, "--start", weights, "--steps", "5")
    began = log_of(tmp_path / "run")[0]["train_nats_per_token"]
    assert began < log_of(finished)[0]["train_nats_per_token"] - 1.0
    recorded = json.loads((tmp_path / "run" / "config.json").read_text(encoding="utf-8"))
    assert recorded["start"] == {"weights": weights, "fresh": None}


def test_a_start_that_fails_ends_in_one_line(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = str(tmp_path / "lost.onnx")
    with pytest.raises(SystemExit, match=f"^error: {lost}: not weights to start from"):
        run_main(monkeypatch, shards, tmp_path / "run", write_toml(tmp_path, config_text()), "--start", lost)
