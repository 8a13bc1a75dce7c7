"""Sizes and kinds of the network: what fits, how many parameters it has."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the network needs torch: pip install emsync[train]")

from emsync.music.vocabulary import PAPER  # noqa: E402
from emsync_train.model import (  # noqa: E402
    BAR_DIVISIONS,
    BAR_HARMONICS,
    OFFSET_DECAYS_S,
    OFFSET_WAVES,
    Composer,
)
from emsync_train.model_config import ModelConfig  # noqa: E402

TINY = ModelConfig(vocabulary_size=50, layers=2, width=16, heads=2, feed_forward=24, context=12)
PAPER_NETWORK = ModelConfig(
    PAPER.size,
    layers=11,
    width=512,
    heads=8,
    feed_forward=2048,
    context=1216,
    positions="learned",
    conditioning="prefix",
    norm="layer",
    activation="relu",
    tied_output=False,
)


def count(config: ModelConfig) -> int:
    with torch.device("meta"):
        return Composer(config).parameter_count


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 18, "heads": 4}, "width 18 must split into 4 heads of even size"),
        ({"width": 6, "heads": 2}, "width 6 must split into 2 heads of even size"),
        ({"heads": 0}, "every size of the model must be at least 1"),
        ({"layers": 0}, "every size of the model must be at least 1"),
        ({"context": -1}, "every size of the model must be at least 1"),
        ({"layers": 1.5}, "every size of the model must be at least 1 and whole"),
        ({"dropout": 1.0}, r"dropout must lie in \[0, 1\)"),
        ({"horizon_s": 0.0}, "horizon_s above 0"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(TINY, **change)


@pytest.mark.parametrize(
    ("name", "choices"),
    [
        ("positions", "rope, learned"),
        ("conditioning", "token, prefix"),
        ("norm", "rms, layer"),
        ("activation", "squared_relu, swiglu, relu"),
    ],
)
def test_an_unknown_kind_is_refused_with_those_there_are(name: str, choices: str) -> None:
    with pytest.raises(ValueError, match=f"{name} 'sinus' is none of {choices}"):
        dataclasses.replace(TINY, **{name: "sinus"})


@pytest.mark.parametrize("change", [{"positions": "learned"}, {"conditioning": "prefix"}])
def test_learned_positions_and_a_prefix_need_each_other(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match='positions "learned" go with conditioning "prefix"'):
        dataclasses.replace(TINY, **change)


def test_parameters_are_counted_by_pencil_with_the_shared_output_layer_once() -> None:
    embedding = 50 * 16
    offset = 2 * OFFSET_WAVES + len(OFFSET_DECAYS_S)
    bar = 2 * OFFSET_WAVES * (1 + len(BAR_DIVISIONS)) + 2 * len(BAR_HARMONICS)
    encoder = (1 + 1 + 2 * offset + bar) * 16 + 5 * 16 + 5 * (16 * 16 + 16) + 5 * 16 + 10 * 16
    block = 3 * 16 * 16 + 16 * 16 + 2 * 16 * 24 + 2 * 16
    assert count(TINY) == embedding + encoder + 2 * block + 16


@pytest.mark.parametrize(
    ("change", "more"),
    [
        ({"tied_output": False}, 50 * 16),
        ({"norm": "layer"}, 5 * 16),
        ({"activation": "relu"}, 0),
        ({"activation": "swiglu"}, 2 * 16 * 24),
    ],
)
def test_another_kind_has_more_parameters_by_pencil(change: dict[str, Any], more: int) -> None:
    assert count(dataclasses.replace(TINY, **change)) == count(TINY) + more


def test_the_papers_network_has_37_1_million_parameters() -> None:
    matrices = 11 * (4 * 512 * 512 + 2 * 512 * 2048)
    norms = 23 * 2 * 512
    embeddings = 2 * 1011 * 512 + 1218 * 256 + 11 * 1218 * 64
    affect = 2 * (2 * 256 + 256 * 512 + 512) + 2 * 512
    offset = 2 * 128 + 128 * 256 + 256
    assert count(PAPER_NETWORK) == matrices + norms + embeddings + affect + offset
    assert round(count(PAPER_NETWORK) / 1e6, 1) == 37.1
