"""What the decode benchmark counts and times: bytes of a token, steps of the engine, peers that may be missing."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from benchmarks.speed import peers  # noqa: E402
from benchmarks.speed.bandwidth import best_streams, ways_of_reading  # noqa: E402
from benchmarks.speed.engines import TICKS, FilledEngine  # noqa: E402
from benchmarks.speed.networks import (  # noqa: E402
    TOKENS_A_TICK,
    cache_bytes_per_token,
    export_all,
    weight_bytes_per_token,
)

from emsync.music.vocabulary import EMSYNC  # noqa: E402
from emsync_train.model import Composer  # noqa: E402
from emsync_train.model_config import ModelConfig  # noqa: E402

CONFIG = ModelConfig(EMSYNC.size, layers=1, width=32, heads=2, feed_forward=64, context=32)


@pytest.fixture(scope="module")
def network() -> Composer:
    return Composer(CONFIG).eval()


def exported(network: Composer, folder: Path, quantisation: str) -> Path:
    return export_all(network, folder)[quantisation]  # type: ignore[index]


def test_a_quantised_step_reads_one_row_of_the_embedding(network: Composer, tmp_path: Path) -> None:
    fp32 = weight_bytes_per_token(exported(network, tmp_path, "fp32"))
    int8_path = exported(network, tmp_path, "int8")
    table = EMSYNC.size * CONFIG.width
    assert fp32 >= 4 * table  # there the embedding is the output layer too, and read whole
    whole_file = int8_path.stat().st_size
    assert whole_file - weight_bytes_per_token(int8_path) > 4 * table - 4 * CONFIG.width


def test_the_condition_encoder_is_read_once_a_tick(network: Composer, tmp_path: Path) -> None:
    path = exported(network, tmp_path, "fp32")
    graph = onnx.load(path).graph
    (choice,) = [node for node in graph.node if node.op_type == "If"]
    (then,) = [attribute.g for attribute in choice.attribute if attribute.name == "then_branch"]
    encoder = sum(onnx.numpy_helper.to_array(constant).nbytes for constant in then.initializer)
    always = sum(onnx.numpy_helper.to_array(constant).nbytes for constant in graph.initializer)
    assert encoder > 5 * 4 * CONFIG.width**2
    assert weight_bytes_per_token(path) == pytest.approx(always + encoder / TOKENS_A_TICK, abs=20)


@pytest.mark.parametrize(("quantisation", "number_bytes"), [("fp32", 4), ("int8", 1)])
def test_the_cache_of_a_step_is_keys_and_values_of_all_places(
    network: Composer, tmp_path: Path, quantisation: str, number_bytes: int
) -> None:
    path = exported(network, tmp_path, quantisation)
    assert cache_bytes_per_token(path, CONFIG, context=15) == number_bytes * 2 * 32 * 16


def test_a_filled_engine_makes_every_step_at_the_same_place(network: Composer, tmp_path: Path) -> None:
    engine = FilledEngine(exported(network, tmp_path, "int8"), threads=1, batch=2, longest=20)
    times_ms = engine.run(20)
    assert len(times_ms) == TICKS
    assert min(times_ms) > 0
    assert engine._model.position == 20
    cache = engine._model._memory.cache
    assert cache[..., :20, :].any(axis=-1).all()
    assert not cache[..., 20:, :].any()


def test_every_way_of_reading_reads_the_whole_buffer() -> None:
    buffer = np.zeros(4096, np.float32)
    buffer[-1] = 2.0
    ways = ways_of_reading(buffer, threads=2)
    assert ways["numpy, largest number"]() == [0.0, 2.0]
    assert max(ways["numpy, largest integer"]()) > 0
    assert float(ways["torch, sum"]()) == 2.0
    assert float(ways["torch, matrix times vector"]()[-1]) == 2.0


def test_the_fastest_way_of_reading_is_the_roof() -> None:
    row = {"buffer": "main memory", "network": "", "context": 256, "bytes": 10_000_000}
    ways = [{**row, "way": "slow", "median_ms": 2.0}, {**row, "way": "fast", "median_ms": 1.0}]
    (best,) = best_streams(ways)
    assert (best["way"], best["gb_per_s"]) == ("fast", 10.0)


def test_without_its_package_a_peer_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = {"transformers": object(), "ctranslate2": None}
    monkeypatch.setattr(importlib.util, "find_spec", installed.get)
    assert peers.missing_peers() == ["CTranslate2 GPT-2"]


def test_a_peer_that_ends_early_is_not_timed() -> None:
    contender = peers.peer(lambda context, told: told(), {"engine": "Hasty"})
    with pytest.raises(RuntimeError, match="Hasty made 1 tokens"):
        contender.take_turn(256)
