"""Targets of the decode benchmark, and its section of docs/speed.md, on results one can check by pencil."""

from __future__ import annotations

from typing import Any

import pytest
from benchmarks.speed.contender import Contender, take_turns
from benchmarks.speed.decode_machine import version
from benchmarks.speed.decode_table import number, section
from benchmarks.speed.decode_targets import share_of_roof, targets


def row(engine: str, context: int, median_ms: float, **labels: Any) -> dict[str, Any]:
    spread = {"median_ms": median_ms, "p10_ms": median_ms / 2, "p90_ms": 2 * median_ms, "times": 3}
    named = {"network": "base", "engine": engine, "context": context, "threads": 2, "batch": 1}
    speeds = {"tokens_per_s": 5.0, "times_torch_loop": 1.0, "parameters": 21_000_000}
    return {**named, "weights": "fp32", **spread, **speeds, **labels}


def results(peers: tuple[str, ...] = ("Hugging Face GPT-2", "CTranslate2 GPT-2")) -> dict[str, Any]:
    rows, streams = [], []
    for context in (256, 1024):
        rows.append(row("torch, no cache", context, 750.0))
        rows += [row(peer, context, 9.0) for peer in peers]
        moved = {"bytes_per_step": {str(context): 30_000_000}}
        rows.append(row("emsync", context, 4.0, weights="int8", threads=1, **moved))
        rows.append(row("emsync", context, 2.0, weights="int8", **moved))
        rows += [row("emsync", context, 3.0, weights="int8", batch=batch, **moved) for batch in (2, 8)]
        for buffer, network, speed in (("main memory", "", 20.0), ("same size", "base", 30.0)):
            named = {"buffer": buffer, "network": network, "context": context, "gb_per_s": speed}
            streams.append({**named, "way": "sum", "bytes": 30_000_000})
    loop = {
        "film_s": 60.0,
        "wall_s": 9.0,
        "tokens": 90,
        "steps": 100,
        "tokens_per_s": 10.0,
        "network_ms": 2.0,
    }
    composing = [{**row("composing loop", 0, 3.0), **loop, "options": "without guidance", "python_ms": 1.0}]
    choice = {"weights_mb": 29.0, "other_work_ms": 0.3, "cpu_ms": 3.25}
    made = {
        "machine": {
            "cpu": "abacus",
            "cores": 2,
            "last_cache_mb": 32.0,
            "system": "wood",
            "versions": {"beads": "1"},
            "load_average_before": 0.5,
            "load_average_after": 1.5,
        },
        "results": rows,
        "streams": streams,
        "composing": composing,
        "threads": [{**row("", 256, 2.5), **choice}],
        "load": {"median_ms": 250.0},
        "not_installed": [],
    }
    return {**made, "targets": targets(made)}


def measured(made: dict[str, Any], name: str) -> Any:
    return next(target for target in made["targets"] if name in target["name"])


def test_peers_are_compared_with_the_step_and_what_python_adds_to_it() -> None:
    target = measured(results(), "context 1024: times as fast as torch")
    assert target["measured"] == 250.0  # 750 ms by 2 ms of the step and 1 ms of Python
    assert target["met"]


def test_the_roof_is_the_bytes_of_a_step_at_the_speed_of_memory() -> None:
    assert share_of_roof(results(), "base", 256, "main memory") == pytest.approx(
        0.75
    )  # 30 MB at 20 GB/s, 2 ms
    assert share_of_roof(results(), "base", 256, "same size") == pytest.approx(0.5)
    assert measured(results(), "context 256: share of the roof, main memory")["met"]
    assert not measured(results(), "context 256: share of the roof, same size")["met"]


def test_a_batch_of_eight_is_compared_in_tokens_a_second() -> None:
    assert (
        measured(results(), "tokens a second of batch 8")["measured"] == 5.33
    )  # 8 tokens in 3 ms, 1 in 2 ms


def test_a_peer_that_is_not_installed_is_no_target_met() -> None:
    target = measured(results(peers=()), "CTranslate2")
    assert target["measured"] is None
    assert not target["met"]


def test_a_load_below_its_limit_is_met() -> None:
    assert measured(results(), "load") == {
        "name": "load of the shipped weights, s",
        "target": "<= 0.5",
        "measured": 0.25,
        "met": True,
    }


def test_the_section_shows_rows_shares_and_missed_targets() -> None:
    text = section(results())
    assert "| base | emsync | int8 | 2.00 (1.00 to 4.00) | 2.00 (1.00 to 4.00) | 1 | 1 |" in text
    assert "| 75 % | 30.0 (sum) | 50 % |" in text
    assert "| base, context 256: share of the roof, same size | >= 0.6 | 0.5 | no |" in text


def test_the_section_names_peers_that_were_not_installed() -> None:
    made = results(peers=())
    text = section({**made, "not_installed": ["CTranslate2 GPT-2"]})
    assert "| base | CTranslate2 GPT-2 |  | not installed | not installed |  |  |" in text


def test_times_keep_three_figures() -> None:
    assert [number(value) for value in (0.1234, 12.04, 123.6)] == ["0.12", "12.0", "124"]


def test_contenders_take_turns_at_their_own_contexts() -> None:
    told: list[tuple[str, int]] = []

    def contender(name: str, **limits: Any) -> Contender:
        return Contender({}, lambda context: told.append((name, context)) or [1.0], **limits)

    take_turns([contender("a"), contender("b", contexts=(256,), most_rounds=1)], rounds=2)
    assert told == [("a", 1024), ("a", 1024), ("a", 256), ("b", 256), ("a", 256)]


def test_a_package_that_is_missing_is_reported_as_not_installed() -> None:
    assert version("no-package-of-this-name") == "not installed"
