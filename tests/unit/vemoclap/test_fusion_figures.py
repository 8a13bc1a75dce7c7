"""docs/vemoclap.md tells the figures of benchmarks/results/emotion_fusion.json."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
HEADS = ("late_fusion", "cross_attention_with_zeros", "cross_attention")
ROWS = (
    ("816 segments of 5 s, both senses", "segments", "fused", "films"),
    ("the same, mean over each clip", "segments", "fused", "clips"),
    ("136 whole clips, both senses", "whole_clips", "fused", "films"),
    ("segments, picture alone", "segments", "image", "films"),
    ("segments, sound alone", "segments", "sound", "films"),
)


@pytest.mark.parametrize(("row", "part", "sense", "unit"), ROWS)
def test_the_table_of_the_two_heads_is_measured(row: str, part: str, sense: str, unit: str) -> None:
    figures: dict[str, Any] = json.loads((ROOT / "benchmarks/results/emotion_fusion.json").read_text("utf-8"))
    lines = (ROOT / "docs/vemoclap.md").read_text("utf-8").splitlines()
    (line,) = [line for line in lines if line.startswith(f"| {row} |")]
    told = [float(number) for number in re.findall(r"\d+\.\d+", line.split("|", 2)[2])]
    parts = [figures[f"{head}_on_{part}"][sense][unit] for head in HEADS if f"{head}_on_{part}" in figures]
    measured = [one[key] for one in parts for key in ("accuracy", "accuracy_sd", "macro_f1", "nll")]
    assert told == pytest.approx(measured, abs=0.0051)
