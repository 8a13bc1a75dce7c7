"""Operations counted by pencil, peaks by name, and what a probe's log decides."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from emsync.errors import InputError
from emsync.music.conditions import Condition
from emsync.music.vocabulary import EMSYNC

torch = pytest.importorskip("torch", reason="throughput needs torch: pip install emsync[train]")

from emsync_train import throughput  # noqa: E402
from emsync_train.model import Composer  # noqa: E402
from emsync_train.model_config import ModelConfig  # noqa: E402
from emsync_train.throughput import (  # noqa: E402
    flops_per_token,
    known_peak,
    main,
    measured_peak,
    model_flops_utilisation,
    peak_flops,
    read_progress,
)

CONFIGS = Path(__file__).parents[3] / "configs"
SMALL = ModelConfig(vocabulary_size=10, layers=2, width=8, heads=2, feed_forward=16, context=4)
CPU = torch.device("cpu")


def _base() -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((CONFIGS / "base.toml").read_text(encoding="utf-8"))
    return table


def test_a_layer_costs_six_per_weight_and_twelve_widths_of_half_the_context() -> None:
    deeper = dataclasses.replace(SMALL, layers=3)
    weights = 8 * 3 * 8 + 8 * 8 + 2 * 8 * 16
    assert flops_per_token(deeper) - flops_per_token(SMALL) == 6 * weights + 12 * 8 * 4 / 2


def test_the_shared_output_layer_counts_once() -> None:
    wider = dataclasses.replace(SMALL, vocabulary_size=11)
    assert flops_per_token(wider) - flops_per_token(SMALL) == 6 * 8
    assert flops_per_token(dataclasses.replace(SMALL, tied_output=False)) == flops_per_token(SMALL)


@pytest.mark.parametrize(
    ("name", "tera"),
    [
        ("NVIDIA H100 80GB HBM3", 989),
        ("NVIDIA H200", 989),
        ("NVIDIA H100 PCIe", 756),
        ("NVIDIA H100 NVL", 835),
        ("NVIDIA A100-SXM4-80GB", 312),
        ("NVIDIA A100-PCIE-40GB", 312),
        ("NVIDIA L4", 121),
    ],
)
def test_peak_of_a_known_card(name: str, tera: float) -> None:
    assert known_peak(name) == tera * 1e12


@pytest.mark.parametrize("name", ["NVIDIA L40S", "NVIDIA H20", "NVIDIA GH200 480GB", "Tesla T4"])
def test_a_card_with_a_similar_name_is_not_taken_for_a_known_one(name: str) -> None:
    assert known_peak(name) is None


def test_an_unknown_card_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Some Card")
    monkeypatch.setattr(throughput, "measured_peak", lambda *_: 5.0)
    assert peak_flops.__wrapped__(torch.device("cuda")) == 5.0


def test_a_device_of_another_kind_has_no_known_peak() -> None:
    assert peak_flops(torch.device("meta")) is None


def test_a_measured_peak_is_a_plausible_speed_and_leaves_the_draws_alone() -> None:
    torch.manual_seed(4)
    expected = torch.rand(3)
    torch.manual_seed(4)
    speed = measured_peak(CPU, torch.float32, 256)
    assert 1e7 < speed < 1e14
    assert torch.equal(torch.rand(3), expected)


def test_utilisation_is_the_share_of_the_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throughput, "peak_flops", lambda _: 100 * flops_per_token(SMALL))
    assert model_flops_utilisation(25.0, SMALL, CPU) == pytest.approx(0.25)


def _write_run(run: Path, losses: list[float]) -> Path:
    """Reports every 1000 tokens: 10 tokens/s while it compiles, then 100; a validation 500 tokens later."""
    run.mkdir()
    rows: list[dict[str, float]] = [
        {
            "tokens": 1000 * number,
            "train_nats_per_token": loss,
            "tokens_per_s": 10.0 if number == 1 else 100.0,
        }
        for number, loss in enumerate(losses, 1)
    ]
    rows.append({"tokens": 1000 * len(losses) + 500, "validation_nats_per_token": 9.0})
    (run / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (run / "config.json").write_text(json.dumps({"model": dataclasses.asdict(SMALL)}))
    return run


def test_speed_is_that_after_the_first_report(tmp_path: Path) -> None:
    progress = read_progress(_write_run(tmp_path / "run", [5.0, 4.0, 3.0]) / "log.jsonl")
    assert (progress.tokens, progress.first_loss, progress.last_loss) == (3500, 5.0, 3.0)
    assert progress.tokens_per_s == 100.0


def test_a_log_with_one_report_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"1 reports of training where 2 are needed"):
        read_progress(_write_run(tmp_path / "run", [5.0]) / "log.jsonl")


def test_a_probe_plans_the_tokens_of_the_minutes_without_its_own(tmp_path: Path) -> None:
    run, out = _write_run(tmp_path / "run", [5.0, 4.0]), tmp_path / "total_tokens"
    main(["--run", str(run), "--probe", "--minutes", "2", "--start-s", "20", "--out", str(out)])
    assert int(out.read_text()) == 9500


def test_a_run_that_goes_on_plans_its_own_tokens_and_the_rest(tmp_path: Path) -> None:
    run, out = _write_run(tmp_path / "run", [5.0, 4.0]), tmp_path / "total_tokens"
    main(["--run", str(run), "--minutes", "2", "--start-s", "20", "--out", str(out)])
    assert int(out.read_text()) == 2500 + 9500


@pytest.mark.parametrize("last", [5.0, 6.0, float("nan")])
def test_a_loss_that_does_not_fall_ends_with_an_error_and_no_plan(tmp_path: Path, last: float) -> None:
    run, out = _write_run(tmp_path / "run", [5.0, last]), tmp_path / "total_tokens"
    with pytest.raises(SystemExit, match=r"^error: .*not falling"):
        main(["--run", str(run), "--probe", "--minutes", "2", "--out", str(out)])
    assert not out.exists()


def test_the_base_network_has_20_to_40_million_parameters_and_fits_four_parts_of_bfloat16() -> None:
    with torch.device("meta"):
        network = Composer(ModelConfig(EMSYNC.size, **_base()["model"]))
    assert 20e6 < network.parameter_count < 40e6
    assert network.parameter_count * 2 < 4 * 15 * (1 << 20)


def test_the_base_configuration_draws_windows_as_the_small_one_does() -> None:
    small = tomllib.loads((CONFIGS / "small.toml").read_text(encoding="utf-8"))
    for table in ("windows", "source_weights"):
        assert _base().get(table) == small.get(table)


def test_the_network_is_traced_whole_for_compilation() -> None:
    """An index that is an `IntEnum` once sent torch's tracer into endless recursion, minutes into a run."""
    network = torch.compile(Composer(SMALL), backend="eager", fullgraph=True)
    columns = (2, 4, len(Condition))
    logits = network(torch.zeros(2, 4, dtype=torch.int64), torch.rand(columns), torch.ones(columns))
    assert logits.shape == (2, 4, SMALL.vocabulary_size)
