"""docs/emotion.md tells the figures of benchmarks/results/emotion.json, and those are of the head that ships."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from benchmarks.emotion.cost_table import cost_text

from emsync.emotion.head import EMOTION_HEAD, EmotionHead
from emsync.weights import load_weights

ROOT = Path(__file__).parents[3]
SENSES = ("image", "sound", "craft", "faces")
CHOICES = (*SENSES, "all", *(f"all but {sense}" for sense in SENSES))
CLASSES = ("Excited", "Fear", "Neutral", "Relaxation", "Sad", "Tension")


@pytest.fixture(scope="module")
def figures() -> dict[str, Any]:
    measured: dict[str, Any] = json.loads((ROOT / "benchmarks/results/emotion.json").read_text("utf-8"))
    return measured


def numbers_of_row(start: str) -> list[float]:
    """All numbers of the one table row that begins with these words, after its first cell."""
    lines = (ROOT / "docs/emotion.md").read_text("utf-8").splitlines()
    (row,) = [line for line in lines if line.startswith(f"| {start} |")]
    return [float(number) for number in re.findall(r"-?\d+\.\d+", row.split("|", 2)[2])]


def titled(sense: str) -> str:
    return "**all**" if sense == "all" else sense


@pytest.mark.parametrize("senses", CHOICES)
def test_the_table_of_classes_is_measured(figures: dict[str, Any], senses: str) -> None:
    parts = [figures[part].get(senses) for part in ("clips_of_30_s", "segments_of_5_s", "ekman_on_segments")]
    keys = ("accuracy", "accuracy_sd", "macro_f1", "ece", "log_loss")
    measured = [one[key] for one in parts if one for key in keys]
    assert numbers_of_row(titled(senses)) == pytest.approx(measured, abs=0.0051)


def test_chance_is_measured(figures: dict[str, Any]) -> None:
    chance, ekman = figures["chance"], figures["ekman_on_segments"]["largest_class_share"]
    measured = [chance[key] for key in ("accuracy", "macro_f1", "ece", "log_loss")]
    assert numbers_of_row("chance")[:5] == pytest.approx([*measured, ekman], abs=0.0051)


@pytest.mark.parametrize(
    ("row", "part"),
    [
        ("affect reading alone", "affect reading"),
        *((f"**rated, {one}**" if one == "all" else f"rated, {one}", f"rated, {one}") for one in CHOICES),
        ("paper's mapping, all", "paper, all"),
    ],
)
def test_the_table_of_affect_is_measured(figures: dict[str, Any], row: str, part: str) -> None:
    one = figures["affect_on_segments"][part]
    measured = [value for pair in zip(one["r"], one["rms_error"], strict=True) for value in pair]
    assert numbers_of_row(row) == pytest.approx(measured, abs=0.0051)


@pytest.mark.parametrize(("row", "part"), [("rated", "rated, all"), ("paper", "paper, all")])
def test_the_table_of_class_means_is_measured(figures: dict[str, Any], row: str, part: str) -> None:
    means = figures["affect_on_segments"][part]["class_means"]
    assert numbers_of_row(row) == pytest.approx(
        [value for name in CLASSES for value in means[name]], abs=0.0051
    )


@pytest.mark.parametrize(
    ("row", "part"),
    [
        ("affect reading", "r_affect_reading"),
        ("rated mapping", "r_rated_mapping"),
        ("paper's mapping", "r_paper_mapping"),
    ],
)
def test_the_table_of_photographs_is_measured(figures: dict[str, Any], row: str, part: str) -> None:
    assert numbers_of_row(row) == pytest.approx(figures["photographs"][part], abs=0.0051)


def test_the_head_that_ships_is_the_one_measured(figures: dict[str, Any]) -> None:
    head = EmotionHead.from_json(load_weights(EMOTION_HEAD))
    calibration = figures["calibration"]
    weights = {name: reading.pool_weight for name, reading in head.readings.items()}
    assert weights == pytest.approx(calibration["pool_weights"], abs=1e-3)
    assert head.pool_temperature == pytest.approx(calibration["pool_temperature"], abs=1e-3)
    assert head.rated_gain == pytest.approx(calibration["rated_gain"], abs=1e-3)


def test_the_table_of_class_affect_is_the_one_that_ships() -> None:
    head = EmotionHead.from_json(load_weights(EMOTION_HEAD))
    for name, affect in zip(head.class_names, head.class_affect, strict=True):
        if affect.any():  # Neutral is written 0, without a decimal point
            assert numbers_of_row(name) == pytest.approx(affect)


def test_the_cost_of_the_analysis_is_the_one_measured() -> None:
    results = json.loads((ROOT / "benchmarks/results/analysis_cost.json").read_text("utf-8"))
    assert cost_text(results) in (ROOT / "docs/emotion.md").read_text("utf-8")


def test_memory_of_an_hour_is_that_of_a_minute_but_for_its_features() -> None:
    """5 kB for each second of film is what the senses keep."""
    results = json.loads((ROOT / "benchmarks/results/analysis_cost.json").read_text("utf-8"))
    peaks_mb = {one["minutes"]: one["peak_memory_mb"] for one in results["lengths"]}
    assert peaks_mb[60] < peaks_mb[1] + 2 * 0.005 * 3600
