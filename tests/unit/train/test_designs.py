"""The table of designs: nats a note from the windows of validation, and runs that cannot be compared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

NEEDED = "training needs torch, lightning-fabric and tensorboard: pip install emsync[train]"
pytest.importorskip("torch", reason=NEEDED)
pytest.importorskip("lightning_fabric", reason=NEEDED)
pytest.importorskip("safetensors", reason=NEEDED)

from made_up_runs import config_text, fit, write_toml  # noqa: E402
from made_up_shards import made_up_shards  # noqa: E402

from emsync.errors import InputError  # noqa: E402
from emsync.music.vocabulary import PAPER  # noqa: E402
from emsync_train.dataset import Shards  # noqa: E402
from emsync_train.designs import design, tokens_per_note  # noqa: E402


@pytest.fixture(scope="module")
def run(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("designs")
    fit(shards, folder / "base", write_toml(folder, config_text(steps=8)))
    return folder / "base"


def test_nats_a_note_are_those_a_token_times_the_tokens_of_a_note(run: Path, shards: Path) -> None:
    corpora = [Shards(shards)]
    found = design(run, corpora)
    ratio = tokens_per_note(run, corpora)
    assert 1.5 < ratio < 4
    assert found["validation_nats_per_note"] == pytest.approx(
        found["validation_nats_per_token"] * ratio, abs=1e-4
    )
    assert found["tokens"] == 8 * 4 * 32


def test_the_corpus_of_a_run_is_found_among_several(run: Path, shards: Path, tmp_path: Path) -> None:
    other = Shards(made_up_shards(tmp_path / "paper", vocabulary=PAPER))
    assert tokens_per_note(run, [other, Shards(shards)]) == tokens_per_note(run, [Shards(shards)])
    with pytest.raises(InputError, match="trained on another corpus than those given"):
        design(run, [other])


def test_what_an_evaluation_measured_is_taken_over(run: Path, shards: Path) -> None:
    models = {
        name: {"nats_per_note": value}
        for name, value in (("all_conditions", 5.0), ("no_affect", 5.5), ("no_boundaries", 6.0))
    }
    models["no_conditions"] = {"nats_per_note": 7.0}
    section = {"command": "python -m emsync_train.evaluate", "models": models}
    judged = {
        "valence_ccc": 0.5,
        "arousal_ccc": 0.7,
        "valence_ccc_standard_error": 0.1,
        "quadrant_accuracy": 0.6,
    }
    affect = {"evaluator": judged, "evaluator_shuffled": dict.fromkeys(judged, 0.01)}
    results = {"likelihood": section, "affect": {**affect, "command": "the same"}}
    (run / "results.json").write_text(json.dumps(results), encoding="utf-8")
    found = design(run, [Shards(shards)])
    (run / "results.json").unlink()
    assert found["nats_per_note"] == 5.0
    assert found["nats_per_note_without_boundaries"] == 6.0
    assert (found["valence_ccc"], found["valence_ccc_shuffled"]) == (0.5, 0.01)
    assert found["valence_ccc_standard_error"] == 0.1
    assert found["evaluated_with"] == ["python -m emsync_train.evaluate", "the same"]
